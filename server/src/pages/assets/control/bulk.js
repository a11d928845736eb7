// What is done with many dead letters at once: counted first, then asked for twice.

import { call } from "../lib/api.js";
import { toast } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { ask } from "./dialogs.js";
import { formatTokens } from "./format.js";

/**
 * Retries or discards (`verb`) all that a filter selects at `path`. `what` chooses the words: `replies` or `jobs`. Returns
 * whether it was done.
 */
export async function settleMany({ path, verb, what, filter }) {
  const settle = (isDry) => call("POST", `${path}/${verb}`, { body: { filter, dry_run: isDry }, patience: 120_000 });
  const { count, more, estimate } = await settle(true);
  if (count === 0) return void toast(t("control.bulk.none"));
  const size = t(`control.bulk.${what}`, { count });
  const cost = verb === "retry" && estimate ? t("control.bulk.cost", { size, tokens: formatTokens(estimate) }) : size;
  const first = await ask({
    title: t(`control.bulk.${verb}_title`), text: t(more ? "control.bulk.matches_more" : "control.bulk.matches", { size: cost }),
    yes: t("control.go_on"),
  });
  if (!first) return undefined;
  let settled = null;
  const second = await ask({
    title: t(`control.bulk.${verb}_sure`, { size }), text: t(`control.bulk.${verb}_sure_text`),
    yes: t(`control.bulk.${verb}_yes`, { size }), danger: verb === "discard",
    send: async () => (settled = await settle(false)),
  });
  if (!second) return undefined;
  const done = { size: t(`control.bulk.${what}`, { count: settled.count }) };
  toast(settled.more ? t(`control.bulk.${verb}_done_more`, done) : t(`control.bulk.${verb}_done`, done));
  return true;
}
