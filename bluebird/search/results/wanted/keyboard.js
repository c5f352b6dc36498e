// The keyboard: one stop for Tab, arrows between the cards.

const controls = (index) => cards[index]?.item.querySelectorAll(":scope > .picture, summary") ?? [];
const isShown = (index) => !cards[index].item.hidden;

function moveTo(index) {
  for (const control of controls(current)) control.tabIndex = -1;
  current = index;
  for (const control of controls(current)) control.tabIndex = 0;
}

function next(index, step) {
  do index += step; while (cards[index] && !isShown(index));
  return cards[index] ? index : null;
}

// The nearest card in the row above or below.
function vertical(index, step) {
  const { left, top } = cards[index].item.getBoundingClientRect();
  let best = null;
  let row = null;
  for (let i = next(index, step); i !== null; i = next(i, step)) {
    const box = cards[i].item.getBoundingClientRect();
    if (Math.abs(box.top - top) < 2) continue;
    row ??= box.top;
    if (Math.abs(box.top - row) >= 2) break;
    if (best === null || Math.abs(box.left - left) < best.distance) best = { i, distance: Math.abs(box.left - left) };
  }
  return best?.i ?? null;
}

const STEPS = {
  ArrowLeft: () => next(current, -1), ArrowRight: () => next(current, 1),
  ArrowUp: () => vertical(current, -1), ArrowDown: () => vertical(current, 1),
  Home: () => next(-1, 1), End: () => next(cards.length, -1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const card = event.target.closest?.(".card");
  const mark = { f: "confirmed", x: "rejected" }[event.key.toLowerCase()];
  if (mark && (viewed || card)) setMark(viewed ?? card.find, mark);
  else if (viewed && event.key === "ArrowLeft") step(-1);
  else if (viewed && event.key === "ArrowRight") step(1);
  else if (!viewed && card && event.key in STEPS) go(STEPS[event.key]());
  else return;
  event.preventDefault();
});

function go(index) {
  if (index === null) return;
  moveTo(index);
  cards[index].item.scrollIntoView({ block: "nearest" });
  $(".picture", cards[index].item).focus({ preventScroll: true });
}

