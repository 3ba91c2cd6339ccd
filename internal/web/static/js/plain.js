// A page of the studio on which nothing is changed.
import { begin } from "./studio.js";

begin([]);
