// The classes with their colours, below a river.

import { setColor } from "./colors.js";
import { capital, labelOf } from "./words.js";

export function fillLegend(list, labels) {
  list.replaceChildren(
    ...labels.map((name, index) => {
      const item = document.createElement("li");
      item.textContent = capital(labelOf(name));
      setColor(item, name, index);
      return item;
    }),
  );
}
