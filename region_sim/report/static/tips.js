"use strict";
// Details of whatever is pointed at, tapped, or reached with the arrow keys. One box for all.
const DATA = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");
let shownFor = null;

function linesOf(mark) {
  return mark.dataset.d !== undefined ? DATA.details[Number(mark.dataset.d)] : mark.lines || [];
}

function showTip(mark, x, y) {
  if (shownFor) shownFor.classList.remove("on");
  shownFor = mark;
  mark.classList.add("on");
  tip.replaceChildren(...linesOf(mark).map((line, index) => {
    const row = document.createElement(index ? "div" : "b");
    row.textContent = line;
    if (line.includes("DEAD") || line.includes("no such session")) row.className = "dead";
    return row;
  }));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(x + 14, window.innerWidth - box.width - 8);
  const isBelow = y + 18 + box.height < window.innerHeight;
  tip.style.left = Math.max(8, left) + "px";
  tip.style.top = Math.max(8, isBelow ? y + 18 : y - box.height - 12) + "px";
}

function hideTip() {
  if (shownFor) shownFor.classList.remove("on");
  shownFor = null;
  tip.hidden = true;
}

// A finger is wider than a mark: look around where it touched.
function markNear(x, y) {
  for (const distance of [0, 4, 8, 12]) {
    for (const [a, b] of [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [1, -1], [-1, 1]]) {
      const found = document.elementFromPoint(x + a * distance, y + b * distance);
      const mark = found && found.closest("[data-d], .hit");
      if (mark) return mark;
    }
  }
  return null;
}

document.addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return;
  const mark = event.target.closest && event.target.closest("[data-d], .hit");
  if (mark) showTip(mark, event.clientX, event.clientY);
  else if (!tip.hidden) hideTip();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("svg")) return hideTip();
  const mark = markNear(event.clientX, event.clientY);
  if (mark) showTip(mark, event.clientX, event.clientY);
  else hideTip();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return hideTip();
  const group = event.target.closest && event.target.closest(".marks");
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!group || !step) return;
  event.preventDefault();
  const marks = [...group.querySelectorAll("[data-d], .hit")];
  marks.sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x);
  const before = marks.indexOf(shownFor);
  const mark = marks[before < 0 ? (step > 0 ? 0 : marks.length - 1)
    : (before + step + marks.length) % marks.length];
  mark.scrollIntoView({ block: "nearest", inline: "nearest" });
  const box = mark.getBoundingClientRect();
  showTip(mark, box.right, box.bottom);
});
document.addEventListener("focusin", (event) => {
  const mark = event.target.querySelector && event.target.closest("a")
    && event.target.querySelector("[data-d]");
  if (!mark) return;
  const box = mark.getBoundingClientRect();
  showTip(mark, box.right, box.bottom);
});
document.addEventListener("focusout", hideTip);
