// A few words for making and changing elements. Text is always set as text: nothing from the server becomes HTML.

/** Make an element. */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
  node.append(...children);
  return node;
}

/** Make a button that does something. */
export function button(label, act) {
  const node = element("button", { type: "button" }, label);
  node.addEventListener("click", act);
  return node;
}

/** Show a text, and touch nothing where it is the same: what is selected or read aloud stays so. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show a sentence where trouble is told, or hide it. */
export function tell(node, sentence) {
  put(node, sentence);
  node.hidden = !sentence;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Keep one card per item, by key, in the items' order; cards stay the same, so focus does, too. */
export function keep(parent, cards, items, keyOf, make) {
  const wanted = new Set(items.map(keyOf));
  for (const [key, card] of cards) {
    if (wanted.has(key)) continue;
    card.node.remove();
    card.gone?.();
    cards.delete(key);
  }
  items.forEach((item, place) => {
    const key = keyOf(item);
    if (!cards.has(key)) cards.set(key, make(item));
    const card = cards.get(key);
    if (parent.children[place] !== card.node) parent.insertBefore(card.node, parent.children[place] ?? null);
    card.update(item);
  });
}
