// The page's language, and how sentences and numbers are written in it. The English sentence is the key under which the others
// stand in languages/<code>.json, so that a phrase without a translation is shown in English.

export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", fr: "Français", ja: "日本語", zh: "中文" };
const TAGS = { zh: "zh-Hans" }; // where the code alone does not say which writing

const KEPT = "mmadfer.language";
const isOurs = (code) => Object.hasOwn(LANGUAGES, code);

// What was chosen in the settings: a code of LANGUAGES, or "" for what the browser prefers.
export function chosenLanguage() {
  try {
    const kept = localStorage.getItem(KEPT) ?? "";
    return isOurs(kept) ? kept : "";
  } catch {
    return ""; // a browser that keeps nothing
  }
}

// Holds from the next load of the page on.
export function chooseLanguage(code) {
  try {
    localStorage.setItem(KEPT, code);
  } catch {
    // then the browser's own choice goes on
  }
}

const wanted = [chosenLanguage(), ...navigator.languages].map((tag) => tag.split("-")[0].toLowerCase());
const code = wanted.find(isOurs) ?? "en";
const phrases = await load(code);

// The one that the words are in: English, too, where the file of another could not be loaded.
export const language = phrases ? code : "en";
export const tag = TAGS[language] ?? language;

async function load(name) {
  if (name === "en") return {};
  try {
    const answer = await fetch(new URL(`languages/${name}.json`, import.meta.url));
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

const fill = (phrase, values) => phrase.replaceAll(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

// A phrase with its values: say("{count} s ago", { count: 3 }).
export const say = (english, values = {}) => fill(phrases?.[english] ?? english, values);

// A phrase about a number of things; `{count}` in it is that number. The translations stand under `others`, one for each form
// that the language has (Unicode's "one", "few", "many", "other").
const rules = new Intl.PluralRules(tag);
export function sayMany(one, others, count, values = {}) {
  const forms = phrases?.[others];
  const phrase = forms ? (forms[rules.select(count)] ?? forms.other) : count === 1 ? one : others;
  return fill(phrase, { count: whole(count), ...values });
}

const grouped = new Intl.NumberFormat(tag);
const formats = {};

// 12345 -> "12,345"
export const whole = (number) => grouped.format(number);

// A number with so many decimals, and without groups: 1.5 -> "1.5", in German "1,5".
export function decimal(number, digits) {
  formats[digits] ??= new Intl.NumberFormat(tag, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
  return formats[digits].format(number);
}

const squeezed = (text) => text.replaceAll(/\s+/g, " ").trim();

// Puts the fixed words of the panel into the page's language: texts, names and hints; what is marked with `data-words` as a whole,
// with the tags in it.
export function translate(root) {
  root.lang = document.documentElement.lang = tag;
  if (language === "en") return;
  for (const part of [root, ...[...root.querySelectorAll("template")].map(({ content }) => content)]) {
    for (const element of part.querySelectorAll("[data-words]")) element.innerHTML = say(squeezed(element.innerHTML));
    for (const name of ["aria-label", "title", "placeholder"]) {
      for (const element of part.querySelectorAll(`[${name}]`)) element.setAttribute(name, say(squeezed(element.getAttribute(name))));
    }
    const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { nodeValue: text, parentElement } = texts.currentNode;
      if (!text.trim() || parentElement?.closest("[data-words], [translate=no]")) continue;
      texts.currentNode.nodeValue = text.replace(/\S(?:.*\S)?/s, (words) => say(squeezed(words)));
    }
  }
}
