"""The input image: decoding it safely, cutting its object out, and framing it as Zero-1-to-3 expects.

Images are 8-bit RGBA arrays [H, W, 4] with straight (not premultiplied) alpha; row 0 is the top.
"""
