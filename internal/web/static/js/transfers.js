// The page of all transfers: kept up to date while it is looked at. It asks, where the
// page of one transfer is told: a stream would hold a connection for as long as the list
// is open, and what it could say is the page itself.
import { $ } from "./dom.js";
import { begin, refresh, repeat } from "./studio.js";

const PARTS = ["summary", "usage", "filters", "list"];
/** Milliseconds between two looks: while something arrives, and else. */
const OFTEN = 3000;
const SELDOM = 20_000;

begin(PARTS);
repeat(async () => {
  // A page that had no list has one now, or the reverse: it is loaded whole.
  if (!await refresh(PARTS)) location.reload();
  return $("list")?.querySelector("progress") ? OFTEN : SELDOM;
});
