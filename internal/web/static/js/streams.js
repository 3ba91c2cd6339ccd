// Streams of events that the tabs of this browser hold open. All its tabs share six
// connections to one server, and each stream has one of them for as long as it lasts.

const NAME = "lenzeye.stream";

/**
 * Lets the other tabs know of a stream of this one, through a Web Lock that many may
 * hold: the browser takes it back when the tab is closed, however that comes.
 * @param {LockManager} [locks] absent where the browser has none: then nobody knows
 * @returns {() => void} to be called when the stream is over
 */
export function announceStream(locks = navigator.locks) {
  let end = () => {};
  const over = new Promise((resolve) => { end = () => resolve(null); });
  locks?.request(NAME, { mode: "shared" }, () => over).catch(() => {});
  return end;
}

/**
 * How many are open, as far as this browser tells.
 * @param {LockManager} [locks]
 * @returns {Promise<number>}
 */
export async function openStreams(locks = navigator.locks) {
  const { held = [] } = await locks?.query() ?? {};
  return held.filter(({ name }) => name === NAME).length;
}
