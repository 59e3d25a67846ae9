-- name: rev_up
UPDATE totals SET
    rev = rev + 1, pending = pending + :pending, completed = completed + :completed, failed = failed + :failed,
    skipped = skipped + :skipped, blocked = blocked + :blocked, cancelled = cancelled + :cancelled,
    settled = settled + :settled, unknown = unknown + :unknown, held = held + :held,
    tokens_in = tokens_in + :tokens_in, tokens_out = tokens_out + :tokens_out, attempts = attempts + :attempts
WHERE batch = :batch AND epoch = :epoch
RETURNING rev, settled + unknown + held, cap;

-- name: rev
SELECT rev FROM totals WHERE batch = ?;

-- name: add_call
INSERT INTO calls (batch, seq, number, round, digest, nth, label, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_attempt
INSERT INTO attempts (batch, seq, number, nth, epoch, model, state, worst, started_at, job, line)
VALUES (?, ?, ?, ?, ?, ?, 'held', ?, ?, ?, ?);

-- name: begin_item
UPDATE items SET begun = 1, rev = ? WHERE batch = ? AND seq = ?;

-- name: end_attempt
UPDATE attempts SET state = ?, cost = ?, tokens_in = ?, tokens_out = ?, flagged = ?, fault = ?, message = ?,
    answer = ?, latency_ms = ?
WHERE batch = ? AND seq = ? AND number = ? AND nth = ? AND state = 'held';

-- name: end_call
UPDATE calls SET ended = ?, reason = ?, kind = ? WHERE batch = ? AND seq = ? AND number = ? AND ended IS NULL;

-- name: end_item
UPDATE items SET state = ?, output = ?, reason = ?, cost = ?, tokens_in = ?, tokens_out = ?, attempts = ?,
    latency_ms = ?, model = ?, rev = ?
WHERE batch = ? AND seq = ? AND state = 'pending';

-- name: attempt_state
SELECT state FROM attempts WHERE batch = ? AND seq = ? AND number = ? AND nth = ?;

-- name: item_state
SELECT state FROM items WHERE batch = ? AND seq = ?;

-- name: add_note
INSERT OR REPLACE INTO notes (batch, seq, round, name, value) VALUES (?, ?, ?, ?, ?);

-- name: add_event
INSERT INTO events (batch, at, kind, data) VALUES (?, ?, ?, ?);

-- name: set_live
INSERT OR REPLACE INTO live (batch, at, data)
VALUES (?1, ?2, json_set(?3, '$.rev', (SELECT rev FROM totals WHERE batch = ?1)));

-- name: add_tick
INSERT OR REPLACE INTO ticks (batch, at, data) VALUES (?, ?, ?);

-- name: set_bucket
INSERT OR REPLACE INTO buckets (model, at, data) VALUES (?, ?, ?);

-- name: get_bucket
SELECT at, data FROM buckets WHERE model = ?;

-- name: ack_wish
UPDATE wishes SET acked_at = ?, answer = ? WHERE id = ?;

-- name: void_wishes
UPDATE wishes SET acked_at = ?, answer = 'too late: the run had ended' WHERE batch = ? AND acked_at IS NULL;

-- name: set_limits
UPDATE batches SET limits = ? WHERE batch = ?;

-- name: set_cap
UPDATE totals SET cap = ? WHERE batch = ?;

-- name: set_state
UPDATE totals SET state = ?, reason = ?, started_at = coalesce(started_at, ?), ended_at = ? WHERE batch = ?;

-- name: set_out_dir
UPDATE batches SET out_dir = ? WHERE batch = ?;

-- name: add_batch
INSERT INTO batches (id, identity, spec_digest, spec, limits, source, round, command, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING batch;

-- name: unfinished_of_identity
SELECT b.id FROM batches b JOIN totals t USING (batch)
WHERE b.identity = ? AND t.state NOT IN ('completed', 'cancelled') ORDER BY b.batch DESC LIMIT 1;

-- name: add_totals
INSERT INTO totals (batch, cap) VALUES (?, ?);

-- name: add_item
INSERT INTO items (batch, seq, key, input, state, reason) VALUES (?, ?, ?, ?, ?, ?);

-- name: count_added
UPDATE totals SET total = total + ?, pending = pending + ?, skipped = skipped + ? WHERE batch = ?;

-- name: next_seq
SELECT coalesce(max(seq), -1) + 1 FROM items WHERE batch = ?;

-- name: set_ingested
UPDATE batches SET ingested = 1, ingest_notes = ?, identity = ?, source = ? WHERE batch = ?;

-- name: unset_ingested
UPDATE batches SET ingested = 0 WHERE batch = ?;

-- name: batch_columns
SELECT b.batch, b.id, b.identity, b.spec_digest, b.spec, b.limits, b.source, b.round, b.command, b.ingested,
    b.ingest_notes, b.out_dir, b.created_at, t.epoch, t.rev, t.state, t.reason, t.cap, t.total, t.pending,
    t.completed, t.failed, t.skipped, t.blocked, t.cancelled, t.settled, t.unknown, t.held, t.tokens_in,
    t.tokens_out, t.attempts, t.started_at, t.ended_at, (
    SELECT coalesce(sum(json_extract(e.data, '$.amount')), 0) FROM events e
    WHERE e.batch = b.batch AND e.kind = 'written_off')
FROM batches b JOIN totals t USING (batch)

-- name: take_epoch
UPDATE totals SET epoch = epoch + 1 WHERE batch = ? AND epoch = ? RETURNING epoch;

-- name: held_of_batch
SELECT a.seq, a.number, a.nth, a.worst FROM items i JOIN attempts a USING (batch, seq)
WHERE i.batch = ? AND i.state = 'pending' AND i.begun = 1 AND a.state = 'held' AND a.job IS NULL;

-- name: lose_attempt
UPDATE attempts SET state = 'unknown', fault = 'died', message = 'the process ended while this attempt was on its way'
WHERE batch = ? AND seq = ? AND number = ? AND nth = ? AND state = 'held';

-- name: pending_begun
SELECT seq, key, input, begun, round FROM items
WHERE batch = ? AND state = 'pending' AND begun = 1 AND seq > ? ORDER BY seq LIMIT ?;

-- name: pending_fresh
SELECT seq, key, input, begun, round FROM items
WHERE batch = ? AND state = 'pending' AND begun = 0 AND seq > ? ORDER BY seq LIMIT ?;

-- name: pending_among
SELECT seq, key, input, begun, round FROM items
WHERE batch = ? AND state = 'pending' AND begun = ? AND seq > ? AND seq IN (SELECT value FROM json_each(?))
ORDER BY seq LIMIT ?;

-- name: begun_seqs
SELECT seq FROM items WHERE batch = ? AND state = 'pending' AND begun = 1 ORDER BY seq LIMIT ?;

-- name: count_fresh
SELECT count(*) FROM items WHERE batch = ? AND state = 'pending' AND begun = 0;

-- name: fresh_by_size
SELECT seq FROM (
    SELECT seq, row_number() OVER (ORDER BY length(input), seq) - 1 AS place
    FROM items WHERE batch = ? AND state = 'pending' AND begun = 0)
WHERE place IN (SELECT value FROM json_each(?));

-- name: ended_items
SELECT i.seq, i.key, i.state, i.reason, i.latency_ms, i.cost - (
    SELECT coalesce(sum(a.cost), 0) FROM attempts a
    WHERE a.batch = i.batch AND a.seq = i.seq AND a.state = 'written_off')
FROM items i WHERE i.batch = ? AND i.rev > 0 AND i.state IN ('completed', 'failed', 'blocked')
ORDER BY i.rev, i.seq LIMIT ?;

-- name: output_of_item
SELECT output FROM items WHERE batch = ? AND seq = ?;

-- name: calls_of_item
SELECT number, round, digest, nth, ended, reason, kind FROM calls WHERE batch = ? AND seq = ? ORDER BY number;

-- name: attempts_of_item
SELECT number, nth, model, state, worst, cost, tokens_in, tokens_out, fault, message, answer, latency_ms, flagged,
    started_at, job, line
FROM attempts WHERE batch = ? AND seq = ? ORDER BY number, nth;

-- name: add_job
INSERT INTO jobs (marker, batch, model, state, requests, digest, intended_at) VALUES (?, ?, ?, 'intended', ?, ?, ?);

-- name: move_job
UPDATE jobs SET state = :state, file = coalesce(:file, file), remote = coalesce(:remote, remote), detail = :detail,
    submitted_at = CASE WHEN :state = 'submitted' THEN :at ELSE submitted_at END,
    ended_at = CASE WHEN :state IN ('ended', 'failed', 'cancelled', 'expired') THEN :at ELSE ended_at END
WHERE marker = :marker;

-- name: open_jobs
SELECT marker, model, state, requests, file, remote, intended_at FROM jobs
WHERE batch = ? AND state NOT IN ('ingested', 'failed') ORDER BY intended_at, marker;

-- name: jobs_of_batch
SELECT marker, model, state, requests, remote, detail, intended_at, submitted_at, ended_at FROM jobs
WHERE batch = ? ORDER BY intended_at, marker;

-- name: held_lines
SELECT line, seq, number, nth, worst, started_at FROM attempts WHERE job = ? AND state = 'held' ORDER BY line;

-- name: known_remotes
SELECT remote FROM jobs WHERE remote IS NOT NULL;

-- name: notes_of_item
SELECT round, name, value FROM notes WHERE batch = ? AND seq = ? ORDER BY round;

-- name: requests_of_item
SELECT number, label, request FROM calls WHERE batch = ? AND seq = ? ORDER BY number;

-- name: largest_item
SELECT coalesce(max(cost), 0) FROM items WHERE batch = ? AND state = 'completed';

-- name: results_page
SELECT i.seq, i.key, i.state, i.output, i.reason, i.cost, i.tokens_in, i.tokens_out, i.attempts, i.latency_ms,
    i.model, i.begun
FROM items i WHERE i.batch = ? AND i.seq > ? ORDER BY i.seq LIMIT ?;

-- name: changed_items
SELECT seq, key, state, reason, cost, attempts, rev FROM items
WHERE batch = ? AND rev > ? AND rev > 0 ORDER BY rev, seq LIMIT ?;

-- name: first_items
SELECT i.seq, i.key, CASE WHEN i.rev <= ?3 THEN i.state ELSE 'pending' END, i.reason, i.latency_ms,
    (SELECT coalesce(sum(a.cost), 0) FROM attempts a WHERE a.batch = i.batch AND a.seq = i.seq),
    (SELECT coalesce(sum(a.worst), 0) FROM attempts a
     WHERE a.batch = i.batch AND a.seq = i.seq AND a.state = 'unknown')
FROM items i WHERE i.batch = ?1 ORDER BY i.seq LIMIT ?2;

-- name: newest_done
SELECT i.seq, i.key, i.state, i.reason, i.latency_ms,
    (SELECT coalesce(sum(a.cost), 0) FROM attempts a WHERE a.batch = i.batch AND a.seq = i.seq),
    (SELECT coalesce(sum(a.worst), 0) FROM attempts a
     WHERE a.batch = i.batch AND a.seq = i.seq AND a.state = 'unknown')
FROM items i WHERE i.batch = ?1 AND i.rev > 0 AND i.rev <= ?3 AND i.state = 'completed' ORDER BY i.rev DESC LIMIT ?2;

-- name: newest_failed
SELECT i.seq, i.key, i.state, i.reason, i.latency_ms,
    (SELECT coalesce(sum(a.cost), 0) FROM attempts a WHERE a.batch = i.batch AND a.seq = i.seq),
    (SELECT coalesce(sum(a.worst), 0) FROM attempts a
     WHERE a.batch = i.batch AND a.seq = i.seq AND a.state = 'unknown')
FROM items i WHERE i.batch = ?1 AND i.rev <= ?3 AND i.state IN ('failed', 'blocked') ORDER BY i.rev DESC LIMIT ?2;

-- name: failed_page
SELECT i.rev, i.seq, i.key, i.state, i.reason, i.cost,
    (SELECT coalesce(sum(a.worst), 0) FROM attempts a
     WHERE a.batch = i.batch AND a.seq = i.seq AND a.state = 'unknown'),
    (SELECT coalesce(c.kind, 'check') FROM calls c
     WHERE c.batch = i.batch AND c.seq = i.seq AND c.round = i.round AND c.ended IN ('failed', 'rejected')
         AND c.reason IS i.reason
     ORDER BY c.number DESC LIMIT 1),
    EXISTS (SELECT 1 FROM calls c WHERE c.batch = i.batch AND c.seq = i.seq)
FROM items i
WHERE i.batch = ? AND i.state IN ('failed', 'blocked') AND (i.rev, i.seq) > (?, ?) ORDER BY i.rev, i.seq LIMIT ?;

-- name: count_retryable
SELECT state, count(*) FROM items
WHERE batch = ? AND (state IN ('failed', 'blocked') OR (state = 'skipped' AND reason IS NOT 'filtered'))
GROUP BY state;

-- name: items_of_keys
SELECT seq, key, CASE WHEN state = 'skipped' AND reason IS 'filtered' THEN reason ELSE state END
FROM items WHERE batch = ? AND key IN (SELECT value FROM json_each(?));

-- name: completed_sums
SELECT count(*), coalesce(sum(cost), 0) - (
    SELECT coalesce(sum(a.cost), 0) FROM attempts a JOIN items o USING (batch, seq)
    WHERE a.batch = ?1 AND a.state = 'written_off' AND o.state = 'completed'),
    coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0)
FROM items WHERE batch = ?1 AND state = 'completed';

-- name: live_of_kin
SELECT l.data FROM batches b JOIN totals t USING (batch) JOIN live l USING (batch)
WHERE b.batch != :batch AND t.state = 'completed' AND json_extract(b.spec, '$.recipe') = :recipe
    AND coalesce(json_extract(b.spec, '$.models'), '[]') = :models
ORDER BY b.batch DESC LIMIT 1;

-- name: item_sums
SELECT coalesce(sum(cost), 0), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0),
    sum(state != 'not_sent'), coalesce(sum(latency_ms), 0), max(model)
FROM attempts WHERE batch = ? AND seq = ?;

-- name: count_never_begun
SELECT count(*) FROM items i WHERE i.batch = ? AND i.state = 'pending' AND NOT (i.begun AND EXISTS (
    SELECT 1 FROM attempts a WHERE a.batch = i.batch AND a.seq = i.seq AND a.state != 'not_sent'));

-- name: unknown_attempts
SELECT coalesce(i.key, '(carried over)'), a.seq, a.number, a.nth, a.model, a.worst, a.fault, a.message, a.started_at
FROM attempts a LEFT JOIN items i USING (batch, seq)
WHERE a.batch = ? AND a.state = 'unknown' ORDER BY a.seq, a.number, a.nth;

-- name: write_off_items
UPDATE items SET cost = cost + (
    SELECT coalesce(sum(worst), 0) FROM attempts a
    WHERE a.batch = items.batch AND a.seq = items.seq AND a.state = 'unknown')
WHERE batch = :batch AND state != 'pending' AND seq IN (
    SELECT seq FROM attempts WHERE batch = :batch AND state = 'unknown');

-- name: write_off
UPDATE attempts SET state = 'written_off', cost = worst WHERE batch = ? AND state = 'unknown';

-- name: write_off_totals
UPDATE totals SET settled = settled + unknown, unknown = 0, rev = rev + 1 WHERE batch = ?;

-- name: cancel_items
UPDATE items SET state = 'cancelled', rev = (SELECT rev + 1 FROM totals t WHERE t.batch = items.batch)
WHERE batch = ? AND state = 'pending';

-- name: cancel_totals
UPDATE totals SET cancelled = cancelled + pending, pending = 0, rev = rev + 1 WHERE batch = ?;

-- name: reopen_items
UPDATE items SET state = 'pending', begun = 1, round = :round, output = NULL, reason = NULL, rev = :rev
WHERE batch = :batch AND state = :state AND (:state != 'skipped' OR reason IS NOT 'filtered')
    AND (:whole OR seq IN (SELECT seq FROM chosen));

-- name: make_chosen
CREATE TEMP TABLE IF NOT EXISTS chosen (seq INTEGER PRIMARY KEY);

-- name: empty_chosen
DELETE FROM chosen;

-- name: add_chosen
INSERT OR IGNORE INTO chosen (seq) VALUES (?);

-- name: count_reopened
UPDATE totals SET pending = pending + :n, failed = failed - :failed, blocked = blocked - :blocked,
    skipped = skipped - :skipped, cancelled = cancelled - :cancelled WHERE batch = :batch;

-- name: set_round
UPDATE batches SET round = ? WHERE batch = ?;

-- name: add_wish
INSERT INTO wishes (batch, at, kind, data, who) VALUES (?, ?, ?, ?, ?) RETURNING id;

-- name: open_wishes
SELECT id, kind, data, who FROM wishes WHERE batch = ? AND acked_at IS NULL ORDER BY id;

-- name: wish
SELECT acked_at, answer FROM wishes WHERE id = ?;

-- name: events_after
SELECT id, at, kind, data FROM events WHERE batch = ? AND id > ? ORDER BY id LIMIT ?;

-- name: live_of
SELECT at, data FROM live WHERE batch = ?;

-- name: failure_reasons
SELECT reason, count(*) FROM items WHERE batch = ? AND state IN ('failed', 'blocked') GROUP BY reason ORDER BY 2 DESC LIMIT ?;

-- name: attempt_endings
SELECT state, coalesce(fault, ''), count(*) FROM attempts WHERE batch = ? GROUP BY 1, 2;

-- name: sums_of_items
SELECT count(*), coalesce(sum(state = 'pending'), 0), coalesce(sum(state = 'completed'), 0),
    coalesce(sum(state = 'failed'), 0), coalesce(sum(state = 'skipped'), 0), coalesce(sum(state = 'blocked'), 0),
    coalesce(sum(state = 'cancelled'), 0)
FROM items WHERE batch = ?;

-- name: sums_of_attempts
SELECT coalesce(sum(cost), 0), coalesce(sum(CASE WHEN state = 'unknown' THEN worst END), 0),
    coalesce(sum(CASE WHEN state = 'held' THEN worst END), 0), coalesce(sum(tokens_in), 0),
    coalesce(sum(tokens_out), 0), coalesce(sum(state != 'not_sent' AND seq >= 0), 0)
FROM attempts WHERE batch = ?;

-- name: saved_keys
SELECT seq, key, state, reason, attempts FROM items
WHERE batch = ? AND seq > ? AND rev > 0 AND rev <= ? AND state IN ('completed', 'failed', 'blocked')
ORDER BY seq LIMIT ?;

-- name: saved_items
SELECT seq, key, state, output, reason, cost, tokens_in, tokens_out, attempts, latency_ms, model FROM items
WHERE batch = ? AND seq > ? AND rev > 0 AND rev <= ? AND state IN ('completed', 'failed', 'blocked', 'skipped')
ORDER BY seq LIMIT ?;

-- name: keys_between
SELECT seq, key FROM items WHERE batch = ? AND seq >= ? AND seq < ? AND state = 'pending' ORDER BY seq;

-- name: carry_attempt
INSERT INTO attempts (batch, seq, number, nth, epoch, model, state, worst, cost, tokens_in, tokens_out, fault, message,
    started_at, latency_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: move_carried
UPDATE attempts SET cost = cost - ?, tokens_in = tokens_in - ?, tokens_out = tokens_out - ?
WHERE batch = ? AND seq = -1 AND number = 0 AND nth = 0;

-- name: carried_from
SELECT b.id FROM events e JOIN batches b USING (batch) JOIN totals t USING (batch)
WHERE e.kind = 'carried_over' AND t.reason != ?2
    AND EXISTS (SELECT 1 FROM json_each(e.data, '$.before') WHERE value = ?1)
ORDER BY e.id DESC LIMIT 1;

-- name: carried_event
SELECT data FROM events WHERE batch = ? AND kind = 'carried_over' ORDER BY id LIMIT 1;

-- name: half_carried
SELECT e.batch FROM events e JOIN totals t USING (batch)
WHERE e.kind = 'carried_over' AND t.reason = ?2 AND json_extract(e.data, '$.before[0]') = ?1;

-- name: forget_items
DELETE FROM items WHERE batch = ?;

-- name: forget_attempts
DELETE FROM attempts WHERE batch = ?;

-- name: forget_events
DELETE FROM events WHERE batch = ?;

-- name: forget_totals
DELETE FROM totals WHERE batch = ?;

-- name: forget_batch
DELETE FROM batches WHERE batch = ?;

-- name: checkpoint_events
SELECT b.id, e.data FROM events e JOIN batches b USING (batch) WHERE e.kind = 'checkpoint' ORDER BY e.id DESC;

-- name: changed_slices
SELECT DISTINCT seq / :size FROM items WHERE batch = :batch AND rev > :after AND rev > 0;

-- name: items_of_slice
SELECT i.seq, i.state, i.reason, i.output, coalesce(sum(a.cost), 0), coalesce(sum(a.state = 'held'), 0),
    min(a.started_at), max(coalesce(a.started_at + 1000 * a.latency_ms, j.ended_at, a.started_at))
FROM items i LEFT JOIN attempts a USING (batch, seq) LEFT JOIN jobs j ON j.marker = a.job
WHERE i.batch = ? AND i.seq >= ? AND i.seq < ? GROUP BY i.seq ORDER BY i.seq;

-- name: job_of_slice
SELECT j.remote FROM attempts a JOIN jobs j ON j.marker = a.job
WHERE a.batch = ? AND a.seq >= ? AND a.seq < ? AND j.remote IS NOT NULL ORDER BY j.intended_at DESC LIMIT 1;

-- name: last_answer
SELECT answer FROM attempts WHERE batch = ? AND seq = ? AND state = 'answered' AND answer IS NOT NULL
ORDER BY number DESC, nth DESC LIMIT 1;
