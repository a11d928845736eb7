"""What must be true of a restored system: nothing is missing that was accepted before, nothing is there twice, and
everything goes on.
"""

import re
import time
from dataclasses import dataclass

from alert_drill.traffic import PASSWORD, User

FINAL = "('completed', 'failed', 'cancelled')"


def count_open(rows):
    """How many requests have not ended; `rows` gives those of a statement."""
    return rows(f"select count(*) from requests where status not in {FINAL}")[0][0]


def unsound(rows):
    """What is there twice, or has no reply; to be called when all has settled."""
    found = []
    # Without the index that forbids it: it might be what is broken.
    doubled = rows("select request_id || role from messages group by request_id || role having count(*) > 1")
    if doubled:
        found.append(f"{len(doubled)} requests have two questions or two replies")
    unanswered = rows(
        "select r.id from requests r left join messages m on m.request_id = r.id and m.role = 'assistant'"
        " where r.status <> 'completed' or m.id is null"
    )
    if unanswered:
        found.append(f"{len(unanswered)} requests have no reply")
    return found


@dataclass
class Truth:
    """What the database said at a moment, before anything was destroyed."""

    moment: float
    messages: dict
    final: dict
    audit: str


class Check:
    def __init__(self, system, admin):
        self.system, self.admin = system, admin
        self.smoke, self.leaver = User(admin.addresses).register(), User(admin.addresses).register()

    def truth(self):
        rows = self.system.rows
        messages = dict(rows("select id, md5(content) from messages"))
        final = dict(rows(f"select id, status from requests where status in {FINAL}"))
        audit, _ = self.verify_audit()
        return Truth(time.time(), messages, final, audit["reached"])

    def verify_audit(self, after=None):
        """The last answer of the log's verification, from there on, and all that were broken."""
        broken = []
        while True:
            answer = self.admin.call("GET", "/admin/audit/verify" + (f"?after={after}" if after else ""))
            if not answer["whole"]:
                broken.append(str(answer))
            after = answer.get("next")
            if not after or broken:
                return answer, broken

    def send_smoke(self):
        """A message of somebody who has an account from before, until it is answered."""
        path = f"/conversations/{self.smoke.conversation}/messages?wait=30"
        request = self.smoke.call("POST", path, {"content": "Is the lamp lit again?"})["request"]
        while request["status"] in ("queued", "in_progress"):
            request = self.smoke.call("GET", f"/requests/{request['id']}?wait=10")
        assert request["status"] == "completed", request

    # ---- Who has deleted their account since, and is back by a restore ----

    def has_left(self):
        return not self.system.rows(f"select 1 from users where email = 'user-{self.leaver.number}@example.com'")

    def leave(self):
        self.leaver.call("DELETE", "/auth/me", {"password": PASSWORD})
        self.system.until("the account is deleted", self.has_left, 60)

    def gone_since(self, moment):
        """By what the audit log calls them, which knows nobody's id after that."""
        deleted = f"verb = 'account.deleted' and at > to_timestamp({moment})"
        return [one for (one,) in self.system.rows(f"select target_subject from audit_entries where {deleted}")]

    def leave_again(self, gone):
        """Before they left, it can be said whom it means: whether they could be deleted again."""
        subjects = ",".join(f"'{subject}'" for subject in gone) or "null"
        for (user,) in self.system.rows(f"select user_id from audit_subjects where id in ({subjects})"):
            self.admin.call("DELETE", f"/admin/users/{user}")
            self.system.until("the account is deleted again", self.has_left, 60)
        return self.has_left()

    # ---- Messages ----

    def restored(self, load):
        """Which of the load's messages are there."""
        there = {content for (content,) in self.system.rows("select content from messages where role = 'user'")}
        return [message for message in load.messages if message.content in there]

    def settle(self):
        """Waits until all that was under way has ended; gives how long it took, in seconds."""
        began = time.monotonic()
        self.system.until("every request is final", lambda: count_open(self.system.rows) == 0, 180)
        return time.monotonic() - began

    def wrong(self, truth):
        """What is not as it was at that moment, or does not go on; to be called when all has settled."""
        found, rows = [], self.system.rows
        now = dict(rows("select id, md5(content) from messages"))
        missing = [one for one, digest in truth.messages.items() if now.get(one) != digest]
        if missing:
            found.append(f"{len(missing)} of {len(truth.messages)} messages are missing or different")
        final = dict(rows(f"select id, status from requests where status in {FINAL}"))
        changed = [one for one, status in truth.final.items() if final.get(one) != status]
        if changed:
            found.append(f"{len(changed)} final requests are missing or have another status")
        found += unsound(rows)
        found += self.verify_audit()[1] + self.verify_audit(truth.audit)[1]
        for program in ("troupe-server", "troupe-worker"):
            status, said = self.system.tell(program, "doctor")
            if status:
                found.append(f"{program} doctor:\n{said}")
        status, said = self.system.tell("troupe-worker", "reindex")
        if status or "is whole" not in said or not re.search(r": [1-9]\d* passages", said):
            found.append(f"troupe-worker reindex ({status}):\n{said}")
        if not self.admin.call("GET", "/personas/keeper/knowledge/search?q=lamp")["passages"]:
            found.append("the keeper's document is not found")
        return found
