// A stretch of answers in a few numbers.

export const LONGEST_STEP = 6; // s between two answers that still belong together

// answers: [{ at (s), values, trusted, part }] by their times, as of the timeline. Each stands until the next one of its part, and
// for no time where that comes late. Gives { shares: [{ name, share (of the time with a label), seconds }], largest first;
// changes: how often the label was another one than before; longest: { name, seconds } or null; missing: s without a label }.
export function summarize(answers, labels, until) {
  const seconds = labels.map(() => 0);
  const found = { changes: 0, longest: null, missing: 0 };
  let run = null; // the label that holds on: { top, seconds }
  answers.forEach((answer, i) => {
    const next = answers[i + 1];
    const length = Math.max(0, (next?.at ?? until) - answer.at);
    const joined = length <= LONGEST_STEP && (!next || next.part === answer.part);
    const top = answer.trusted ? answer.values.indexOf(Math.max(...answer.values)) : null;
    if (top === null || !joined) found.missing += length;
    if (top === null) return (run = null);
    if (run?.top !== top) {
      found.changes += run ? 1 : 0;
      run = { top, seconds: 0 };
    }
    if (joined) {
      seconds[top] += length;
      run.seconds += length;
    }
    if (run.seconds > (found.longest?.seconds ?? 0)) found.longest = { name: labels[top], seconds: run.seconds };
    if (!joined) run = null;
  });
  const all = seconds.reduce((sum, value) => sum + value, 0);
  const shares = labels.map((name, k) => ({ name, seconds: seconds[k], share: all ? seconds[k] / all : 0 }));
  return { ...found, shares: shares.sort((a, b) => b.share - a.share) };
}

// The same of a whole clip of this length (s), whose last answer stands as long as answers are apart, or a second.
export function summarizeClip(answers, labels, seconds) {
  if (!answers.length) return summarize([], labels, 0);
  const [first, last] = [answers[0].at, answers.at(-1).at];
  const apart = answers.length > 1 ? (last - first) / (answers.length - 1) : 1;
  return summarize(answers, labels, Math.max(seconds, last + apart));
}
