// Elements, and updates that leave unchanged parts alone, so that selection, focus and scroll position are kept.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** Sets attributes that differ. False and null remove an attribute; true sets it to an empty value. */
export function set(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) {
      if (target.hasAttribute(name)) target.removeAttribute(name);
    } else {
      const text = value === true ? '' : String(value);
      if (target.getAttribute(name) !== text) target.setAttribute(name, text);
    }
  }
}

/** Sets the text of an element that contains only text. */
export function say(target, text) {
  const node = target.firstChild;
  if (node === null) {
    if (text !== '') target.append(text);
  } else if (node.data !== text) {
    node.data = text;
  }
}

/** Moves a node before another one, or to the end, and keeps focus and scroll position within it. */
export function place(parent, node, before) {
  if (node.parentNode === parent && node.nextSibling === before) return;
  if (node.isConnected && parent.isConnected && parent.moveBefore) {
    parent.moveBefore(node, before);
    return;
  }
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = [...node.querySelectorAll('pre')].map((pre) => [pre, pre.scrollTop]);
  parent.insertBefore(node, before);
  for (const [pre, top] of scrolled) pre.scrollTop = top;
  focused?.focus({ preventScroll: true });
}

function drawing(name, attributes) {
  const made = document.createElementNS(SVG, name);
  set(made, attributes);
  return made;
}

// A shape for each kind, for people who cannot distinguish the colours.
const SHAPES = {
  failed: 'M2 2 L10 10 M10 2 L2 10',
  changing: 'M6 2 A4 4 0 1 1 2 6',
  stopped: 'M3 3 H9 V9 H3 Z',
  running: 'M2 6.5 L5 9.5 L10 3',
};

/** The icon of a kind of state. The word beside it says the same. */
export function sign(kind) {
  const svg = drawing('svg', { class: 'sign', viewBox: '0 0 12 12', 'aria-hidden': 'true', focusable: 'false' });
  svg.append(drawing('path', { d: SHAPES[kind] }));
  return svg;
}

/** Replaces an icon. */
export function changeSign(svg, kind) {
  set(svg.firstChild, { d: SHAPES[kind] });
}

/** A chevron that turns when its part is open. */
export function chevron() {
  const svg = drawing('svg', { class: 'chevron', viewBox: '0 0 12 12', 'aria-hidden': 'true', focusable: 'false' });
  svg.append(drawing('path', { d: 'M4 2 L8 6 L4 10' }));
  return svg;
}

/** The last hour as a line. */
export class Sparkline {
  constructor(width, height) {
    this.size = [width, height];
    this.svg = drawing('svg', {
      class: 'spark',
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
      focusable: 'false',
    });
    const track = drawing('path', { class: 'track', d: `M0,${height - 0.5} H${width}` });
    this.area = drawing('path', { class: 'area' });
    this.line = drawing('path', { class: 'line' });
    this.svg.append(track, this.area, this.line);
  }

  /** `least` is the smallest vertical range, so that small changes appear as a flat line. */
  show(values, least, fromZero) {
    const known = values.filter((value) => value !== null);
    const top = Math.max(...known, 0);
    const bottom = fromZero ? 0 : Math.min(...known, top);
    const span = Math.max(top - bottom, least, top * 0.1);
    const low = fromZero ? 0 : Math.max(0, top - span);
    const [width, height] = this.size;
    const x = (index) => ((index / Math.max(values.length - 1, 1)) * (width - 2) + 1).toFixed(1);
    const y = (value) => (height - 1.5 - ((value - low) / (span || 1)) * (height - 3)).toFixed(1);
    const runs = [];
    values.forEach((value, index) => {
      if (value === null) return;
      if (index === 0 || values[index - 1] === null) runs.push([]);
      runs.at(-1).push([x(index), y(value)]);
    });
    // A single value is a dot: a line of no length with round ends.
    const line = runs.map((run) => `M${run.join(' L')}${run.length === 1 ? ' h0.01' : ''}`).join(' ');
    const area = runs.map((run) => `M${run[0][0]},${height} L${run.join(' L')} L${run.at(-1)[0]},${height} Z`).join(' ');
    set(this.line, { d: line });
    set(this.area, { d: area });
  }
}
