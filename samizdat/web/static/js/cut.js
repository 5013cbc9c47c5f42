// The part of a picture, drawn with mouse or finger. The numbers of the form are what counts: this file only writes
// them, and shows the part that they, or the chosen shape, say. Without it the form does the same by shapes and numbers.
"use strict";
const form = document.getElementById("cut");
const drawing = form?.querySelector(".cutting");
if (drawing) {
  const [width, height] = [Number(drawing.dataset.width), Number(drawing.dataset.height)];
  const ratios = { square: 1, photo: 3 / 2, wide: 16 / 9, banner: 3, tall: 3 / 4 };
  const part = drawing.querySelector(".part");
  const shade = drawing.querySelector(".shade");
  const shape = () => form.elements.shape.value;
  const clamp = (number, least, most) => Math.min(Math.max(number, least), most);
  form.querySelector("[data-dragging]").hidden = false;

  const show = ({ left, top, across, down }) => {
    for (const [name, value] of Object.entries({ x: left, y: top, width: across, height: down })) {
      part.setAttribute(name, value);
    }
    shade.setAttribute("d", `M0 0H${width}V${height}H0zM${left} ${top}h${across}v${down}h${-across}z`);
  };
  const numbers = () => ({
    left: clamp(Number(form.elements.left.value), 0, width - 1),
    top: clamp(Number(form.elements.top.value), 0, height - 1),
    across: clamp(Number(form.elements.across.value) || width, 1, width),
    down: clamp(Number(form.elements.down.value) || height, 1, height),
  });
  const chosen = () => {
    const ratio = ratios[shape()];
    if (shape() === "numbers") return numbers();
    if (!ratio) return { left: 0, top: 0, across: width, down: height };
    const across = Math.min(width, Math.floor(height * ratio));
    const down = Math.min(height, Math.floor(width / ratio));
    const focus = form.elements.focus.value;
    const share = (first, last) => (focus.includes(first) ? 0 : focus.includes(last) ? 1 : 0.5);
    return {
      left: Math.round((width - across) * share("left", "right")),
      top: Math.round((height - down) * share("top", "bottom")),
      across,
      down,
    };
  };
  const write = (box) => {
    for (const [name, value] of Object.entries(box)) form.elements[name].value = Math.round(value);
    form.elements.shape.value = "numbers";
    form.querySelector("details").open = true;
    show(numbers());
  };
  form.addEventListener("input", (event) => {
    if (["left", "top", "across", "down"].includes(event.target.name)) form.elements.shape.value = "numbers";
    show(chosen());
  });

  let grip = null;
  const point = (event) => {
    const frame = drawing.getBoundingClientRect();
    return {
      x: clamp(((event.clientX - frame.left) / frame.width) * width, 0, width),
      y: clamp(((event.clientY - frame.top) / frame.height) * height, 0, height),
    };
  };
  drawing.addEventListener("pointerdown", (event) => {
    const at = point(event);
    const box = chosen();
    // The inner half of a part moves it; anywhere else a new one begins, in the shape that was chosen.
    const whole = box.across === width && box.down === height;
    const inside = Math.abs(at.x - box.left - box.across / 2) < box.across / 4
      && Math.abs(at.y - box.top - box.down / 2) < box.down / 4;
    grip = { at, box, moves: inside && !whole, ratio: ratios[shape()] };
    drawing.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const at = point(event);
    if (grip.moves) {
      const { across, down } = grip.box;
      write({
        left: clamp(grip.box.left + at.x - grip.at.x, 0, width - across),
        top: clamp(grip.box.top + at.y - grip.at.y, 0, height - down),
        across,
        down,
      });
      return;
    }
    let across = Math.max(1, Math.abs(at.x - grip.at.x));
    let down = Math.max(1, Math.abs(at.y - grip.at.y));
    if (grip.ratio) {
      const room = at.y < grip.at.y ? grip.at.y : height - grip.at.y;
      down = Math.min(across / grip.ratio, room);
      across = down * grip.ratio;
    }
    write({
      left: Math.floor(at.x < grip.at.x ? grip.at.x - across : grip.at.x),
      top: Math.floor(at.y < grip.at.y ? grip.at.y - down : grip.at.y),
      across: Math.max(1, Math.floor(across)),
      down: Math.max(1, Math.floor(down)),
    });
  });
  for (const name of ["pointerup", "pointercancel"]) drawing.addEventListener(name, () => (grip = null));
  show(chosen());
}
