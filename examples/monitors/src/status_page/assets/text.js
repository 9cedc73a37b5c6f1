// Formats values as text. Nothing here touches the page.

// Control characters, separators and directional marks, which could disguise a name.
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

// Terminal escape sequences for colours and cursor movements.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** Makes a name readable: invisible characters are replaced by their numbers. */
export function readable(name) {
  return name.replace(INVISIBLE, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);
}

/** The text of a log, without terminal escape sequences. */
export function plain(text) {
  const lines = text.replace(ESCAPES, '').replace(/\r\n/g, '\n');
  return lines.replace(INVISIBLE, (char) => ('\n\t'.includes(char) ? char : readable(char)));
}

/** `GROUP:NAME`, as in supervisord. */
export const fullName = (process) => `${process.group}:${process.name}`;

/** `GROUP:NAME`, encoded for paths. */
export const encoded = (process) => `${encodeURIComponent(process.group)}:${encodeURIComponent(process.name)}`;

/**
 * The URL of something that is served beside the page. A relative URL would inherit the name and token that the page's own
 * may contain, and `fetch` refuses URLs with credentials.
 */
export const beside = (path) => new URL(path, location.origin + location.pathname);

/** A duration in at most two units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return days < 10 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** Bytes, with three digits. */
export function bytes(count) {
  let value = count / 1024;
  for (const unit of ['KiB', 'MiB', 'GiB']) {
    if (value < 1000) return `${significant(value)} ${unit}`;
    value /= 1024;
  }
  return `${significant(value)} TiB`;
}

/** Percent of one CPU. */
export const percent = (value) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;

const significant = (value) => (value < 9.95 ? value.toFixed(1) : String(Math.round(value)));

/** The local time of day. */
export const clock = (seconds) => moment(seconds).slice(11);

/** Local date and time, in one format for everybody: 2026-11-27 22:44:05. */
export function moment(seconds) {
  const at = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, '0');
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`;
}

export const isoTime = (seconds) => new Date(seconds * 1000).toISOString();

/** `1 process`, `2 processes`. */
export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;

/** From worst to best: failed, changing, stopped, running. */
export const KINDS = ['failed', 'changing', 'stopped', 'running'];

/** The kind of a process's state. */
export function kind(process) {
  switch (process.state) {
    case 'RUNNING':
      return 'running';
    case 'STARTING':
    case 'STOPPING':
      return 'changing';
    case 'STOPPED':
      return 'stopped';
    case 'EXITED':
      return exitedAsExpected(process) ? 'stopped' : 'failed';
    default:
      return 'failed';
  }
}

function exitedAsExpected({ last_exit: exit }) {
  if (!exit) return true;
  return exit.expected ?? !exit.status;
}

/** How many processes are not running, out of how many, and the worst kind. */
export function headline(processes) {
  const kinds = Object.fromEntries(KINDS.map((name) => [name, 0]));
  for (const process of processes) kinds[kind(process)] += 1;
  const total = processes.length;
  const down = total - kinds.running;
  const worst = KINDS.find((name) => kinds[name] > 0) ?? 'running';
  let text = `${down} of ${total} not running`;
  if (total === 0) text = 'No processes';
  else if (down === 0) text = total === 1 ? 'The only process is running' : `All ${total} running`;
  return { text, worst, kinds, total, down };
}
