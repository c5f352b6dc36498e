// Text from outside reaches the page by textContent and attributes only, never as HTML.

const $ = (selector, root = document) => root.querySelector(selector);
const summary = JSON.parse($(".summary").textContent);
const cards = readCards();
const marks = new Map(readMarks());
let current = 0; // the card that the keyboard is on
let viewed = null; // the find in the large view

const number = (n) => n.toLocaleString("en");
const count = (n, one, more) => `${number(n)} ${n === 1 ? one : more}`;
const baseName = (path) => path.slice(path.lastIndexOf("/") + 1);
// 1.00 is for 1 alone
const decimals = (prob, digits) => Math.min(prob, prob < 1 ? 1 - 10 ** -digits : 1).toFixed(digits);
const describe = (find) => `${baseName(find.path)}: ${summary.target} ${decimals(find.score, 2)}`;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A block of cards is followed by a block of their pictures, one base64 line for each card and sibling.
function readCards() {
  return [...document.querySelectorAll("script.cards")].flatMap((block) => {
    const read = JSON.parse(block.textContent);
    const finds = read.flatMap((card) => [card, ...card.siblings]);
    finds.forEach((find, line) => Object.assign(find, { block: block.nextElementSibling, line }));
    return read;
  });
}

function picture(find) {
  find.block.lines ??= find.block.textContent.split("\n");
  const jpeg = find.block.lines[find.line];
  if (!jpeg) return element("span", { textContent: "no preview" });
  return element("img", { src: `data:image/jpeg;base64,${jpeg}`, alt: describe(find), decoding: "async" });
}

function show(find, button) {
  if (!button.firstChild) button.append(picture(find));
}

const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    show(target.find, $(".picture", target));
    nearby.unobserve(target);
  }
}, { rootMargin: "800px" });

function addCard(card, index) {
  const item = $("#card").content.firstElementChild.cloneNode(true);
  const button = $(".picture", item);
  const path = card.path;
  item.find = card;
  card.item = item;
  button.ariaLabel = `Enlarge ${describe(card)}`;
  button.onclick = () => { moveTo(index); open(card); };
  $(".rank", item).append(element("span", { className: "unseen", textContent: "No. " }), number(card.rank));
  $(".bar", item).style.setProperty("--share", `${100 * card.score}%`);
  $("strong", item).textContent = decimals(card.score, 3);
  $(".file", item).append(element("bdi", { textContent: baseName(path), title: path }));
  $(".folder", item).append(element("bdi", { textContent: path.slice(0, path.lastIndexOf("/") + 1) || "./" }));
  $(".classes", item).append(...classRows(card, "li", "span"));
  $(".badge", item).hidden = card.novelty < summary.novel;
  addSiblings(card, $("details", item));
  $(`#${card.section} .grid`).append(item);
  showMark(card);
  nearby.observe(item);
}

function classRows(find, row, cell) {
  return find.top.map(([index, prob]) => element(row, {},
    element(cell, {}, element("bdi", { textContent: summary.classes[index] })),
    element(cell, { textContent: decimals(prob, 3) })));
}

function addSiblings(card, details) {
  const total = card.siblings.length + card.more;
  details.hidden = !total;
  $("summary", details).textContent = `${number(total)} more of this moment`;
  details.ontoggle = () => {
    const box = $(".siblings", details);
    if (box.firstChild) return;
    for (const find of card.siblings) {
      const button = element("button", { type: "button", className: "picture" }, picture(find));
      button.ariaLabel = `Enlarge ${describe(find)}`;
      button.onclick = () => open(find);
      box.append(button);
    }
    if (card.more) box.append(element("p", { textContent: `and ${number(card.more)} in finds.csv` }));
  };
}

