"use strict";
// Nothing here knows which pictures the model thinks well of, but for the table that is handed over.

const $ = (selector, root = document) => root.querySelector(selector);
const rows = JSON.parse($(".rows").textContent); // part, path and score, in the order of the table
const cards = [...document.querySelectorAll(".card")];
const storage = `${location.pathname} ${document.body.dataset.plan}`; // labels of one sample are none of another's
const labels = new Map(readLabels()); // place in the table: "yes" or "no"

const placeOf = (card) => Number(card.dataset.place);
const number = (n) => n.toLocaleString("en");

function readLabels() {
  try { return JSON.parse(localStorage.getItem(storage)) ?? []; } catch { return []; }
}

function say(card, word) {
  if (word) labels.set(placeOf(card), word);
  else labels.delete(placeOf(card));
  show(card);
}

function show(card) {
  const word = labels.get(placeOf(card)) ?? "";
  card.dataset.shows = word;
  for (const input of card.querySelectorAll("input")) input.checked = input.value === word;
}

function keep() {
  try {
    localStorage.setItem(storage, JSON.stringify([...labels]));
  } catch { /* then they last as long as the page is open */ }
  showCount();
}

function showCount() {
  const yes = [...labels.values()].filter((word) => word === "yes").length;
  $("#status").textContent = `${number(labels.size)} of ${number(cards.length)} answered, ${number(yes)} of them yes`;
}

const csvField = (text) => `"${text.replaceAll('"', '""')}"`;

$("#download").onclick = () => {
  const filled = rows.map((row, place) => [...row, labels.get(place) ?? ""].map(csvField).join(","));
  const file = new Blob([["part,path,score,shows", ...filled, ""].join("\r\n")], { type: "text/csv" });
  Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "sample.csv" }).click();
};

$("#others").onclick = () => {
  for (const card of cards) if (!labels.has(placeOf(card))) say(card, "no");
  keep();
};

for (const card of cards) {
  show(card);
  card.onchange = (event) => { say(card, event.target.value); keep(); };
}

document.addEventListener("keydown", (event) => {
  const card = event.target.closest?.(".card");
  const word = { y: "yes", n: "no", backspace: "" }[event.key.toLowerCase()];
  if (!card || word === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  say(card, word);
  keep();
  const next = word ? cards[cards.indexOf(card) + 1] : card;
  if (next) ($("input:checked", next) ?? $("input", next)).focus();
});

showCount(); // and keep nothing: a page that opens must not write over what another has just kept
