// Galleries whose pictures go around the object: one at a time, chosen with a slider. Without this script all are shown.
for (const gallery of document.querySelectorAll(".gallery.turn")) {
  const figures = [...gallery.querySelectorAll("figure")];
  if (figures.length < 2) continue;  // one view does not turn
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: figures.length - 1, step: 1, value: 0 });
  slider.setAttribute("aria-label", "View; left and right arrow keys turn");
  const show = () => {
    figures.forEach((figure, index) => { figure.hidden = index !== Number(slider.value); });
    slider.setAttribute("aria-valuetext", figures[slider.value].querySelector("figcaption").textContent);
  };
  slider.addEventListener("input", show);
  gallery.before(slider);
  gallery.classList.add("turned");
  show();
}
