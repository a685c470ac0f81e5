// An orbitable textured mesh in plain WebGL2.
//
// Reads the JSON block #mesh: positions, normals and uvs (float32) and faces (uint32) as base64, the texture as a data URL,
// and the camera that the view starts at. Axes are those of the GLB: +Y up, front +Z. Angles are in degrees, as everywhere.
// `window.viewer` says what is shown, for tests and for the curious.
"use strict";

const MODES = { texture: 0, shape: 1, wireframe: 2 };
const NEAR = 0.05;
const FAR = 20;

const VERTEX_SHADER = `#version 300 es
in vec3 position;
in vec3 normal;
in vec2 uv;
uniform mat4 worldToClip;
uniform vec3 eye;
uniform bool lines;
out vec3 vNormal;
out vec3 vToEye;
out vec2 vUv;
void main() {
  vNormal = normal;
  vToEye = eye - position;
  vUv = uv;
  gl_Position = worldToClip * vec4(position, 1.0);
  // Edges lie a little before their faces, which would hide half of them otherwise.
  if (lines) gl_Position.z -= 0.0005 * gl_Position.w;
}`;

const FRAGMENT_SHADER = `#version 300 es
precision highp float;
in vec3 vNormal;
in vec3 vToEye;
in vec2 vUv;
uniform sampler2D image;
uniform int mode;
uniform bool lines;
out vec4 color;
void main() {
  vec3 n = normalize(vNormal) * (gl_FrontFacing ? 1.0 : -1.0);
  // A head light: what faces the camera is bright.
  float light = 0.35 + 0.65 * max(dot(n, normalize(vToEye)), 0.0);
  if (lines) color = vec4(vec3(0.12, 0.35, 0.62), 1.0);
  else if (mode == 0) color = vec4(texture(image, vUv).rgb, 1.0);
  else if (mode == 1) color = vec4(0.5 + 0.5 * n, 1.0) * vec4(vec3(light), 1.0);
  else color = vec4(vec3(0.92 * light + 0.06), 1.0);
}`;

function decode(base64, ArrayType) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new ArrayType(bytes.buffer);
}

function compile(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX_SHADER], [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}

// Both ends of every edge, each edge once.
function edgesOf(faces) {
  const seen = new Set();
  const ends = [];
  for (let i = 0; i < faces.length; i += 3) {
    for (const [a, b] of [[faces[i], faces[i + 1]], [faces[i + 1], faces[i + 2]], [faces[i + 2], faces[i]]]) {
      const key = Math.min(a, b) * 2 ** 26 + Math.max(a, b);
      if (!seen.has(key)) {
        seen.add(key);
        ends.push(a, b);
      }
    }
  }
  return new Uint32Array(ends);
}

function upload(gl, program, mesh) {
  const attributes = [["position", mesh.positions, 3], ["normal", mesh.normals, 3], ["uv", mesh.uvs, 2]];
  gl.bindVertexArray(gl.createVertexArray());
  for (const [name, data, size] of attributes) {
    const location = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, decode(data, Float32Array), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
  }
  const faces = decode(mesh.faces, Uint32Array);
  return [faces, edgesOf(faces)].map((indices) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    return { buffer, count: indices.length };
  });
}

async function uploadTexture(gl, url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  // Row 0 of the picture is v = 0, as in glTF.
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image);
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
}

// Where the camera is: azimuth 0 is the front (+Z), elevation is above the horizon.
function eyeOf(viewer) {
  const [azimuth, elevation] = [viewer.azimuth, viewer.elevation].map((degrees) => (degrees * Math.PI) / 180);
  const across = viewer.distance * Math.cos(elevation);
  return [across * Math.sin(azimuth), viewer.distance * Math.sin(elevation), across * Math.cos(azimuth)];
}

// Column-major matrix from world to clip space of a camera that looks at the origin.
function worldToClip(viewer, aspect) {
  const [azimuth, elevation] = [viewer.azimuth, viewer.elevation].map((degrees) => (degrees * Math.PI) / 180);
  const [sa, ca, se, ce] = [Math.sin(azimuth), Math.cos(azimuth), Math.sin(elevation), Math.cos(elevation)];
  const [right, up, back] = [[ca, 0, -sa], [-sa * se, ce, -ca * se], [sa * ce, se, ca * ce]];
  // In a frame that is higher than wide, the field of view is that of the width.
  const focal = Math.min(1, aspect) / Math.tan((viewer.fovy * Math.PI) / 360);
  const [a, b] = [(FAR + NEAR) / (NEAR - FAR), (2 * FAR * NEAR) / (NEAR - FAR)];
  const columns = [];
  for (let axis = 0; axis < 3; axis++) {
    columns.push((focal / aspect) * right[axis], focal * up[axis], a * back[axis], -back[axis]);
  }
  return new Float32Array([...columns, 0, 0, b - a * viewer.distance, viewer.distance]);
}

function draw(gl, program, [faces, edges], viewer) {
  const scale = window.devicePixelRatio || 1;
  const canvas = gl.canvas;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  const uniform = (name) => gl.getUniformLocation(program, name);
  gl.uniformMatrix4fv(uniform("worldToClip"), false, worldToClip(viewer, canvas.width / canvas.height));
  gl.uniform3fv(uniform("eye"), eyeOf(viewer));
  gl.uniform1i(uniform("mode"), MODES[viewer.mode]);
  gl.uniform1i(uniform("lines"), 0);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, faces.buffer);
  gl.drawElements(gl.TRIANGLES, faces.count, gl.UNSIGNED_INT, 0);
  if (viewer.mode === "wireframe") {
    gl.uniform1i(uniform("lines"), 1);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, edges.buffer);
    gl.drawElements(gl.LINES, edges.count, gl.UNSIGNED_INT, 0);
  }
}

// Drag with one pointer to orbit, with two to zoom; wheel, keys and buttons do the same.
function control(canvas, viewer, start, redraw) {
  const pointers = new Map();
  const zoom = (factor) => {
    viewer.distance = Math.min(6, Math.max(0.4, viewer.distance * factor));
    redraw();
  };
  const turn = (azimuth, elevation) => {
    viewer.azimuth = (((viewer.azimuth + azimuth) % 360) + 360) % 360;
    viewer.elevation = Math.min(90, Math.max(-90, viewer.elevation + elevation));
    redraw();
  };
  const show = (mode) => {
    viewer.mode = mode;
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    redraw();
  };
  const reset = () => {
    Object.assign(viewer, start);
    redraw();
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const apart = pointers.size === 2 ? spread() : 0;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 1) turn((before[0] - event.clientX) * 0.5, (event.clientY - before[1]) * 0.5);
    else if (apart && spread()) zoom(apart / spread());
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(Math.max(-100, Math.min(100, event.deltaY)) * 0.0015));
  }, { passive: false });
  canvas.addEventListener("dblclick", reset);

  const keys = {
    ArrowLeft: () => turn(-10, 0), ArrowRight: () => turn(10, 0), ArrowUp: () => turn(0, 10), ArrowDown: () => turn(0, -10),
    "+": () => zoom(0.9), "=": () => zoom(0.9), "-": () => zoom(1 / 0.9), Home: reset, 0: reset,
    1: () => show("texture"), 2: () => show("shape"), 3: () => show("wireframe"),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => show(button.dataset.mode));
  }
  document.querySelector("[data-reset]").addEventListener("click", reset);
}

async function main() {
  const mesh = JSON.parse(document.getElementById("mesh").textContent);
  const canvas = document.getElementById("viewer");
  const gl = canvas.getContext("webgl2", { antialias: true });
  if (!gl) {
    document.getElementById("no-webgl").hidden = false;
    return;
  }
  const { azimuth, elevation, distance, fovy } = mesh.camera;
  const start = { azimuth, elevation, distance };
  const viewer = { ...start, fovy, mode: "texture", triangles: 0, ready: false };
  window.viewer = viewer;

  const program = compile(gl);
  gl.useProgram(program);
  const indices = upload(gl, program, mesh);
  await uploadTexture(gl, mesh.texture);
  viewer.triangles = indices[0].count / 3;
  gl.enable(gl.DEPTH_TEST);
  gl.depthFunc(gl.LEQUAL);

  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw(gl, program, indices, viewer);
      viewer.ready = true;
    });
  };
  control(canvas, viewer, start, redraw);
  new ResizeObserver(redraw).observe(canvas);
  redraw();
}

main();
