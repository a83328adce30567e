#include "services/stratum-gateway/measures.h"

#include <stdio.h>

void measures_register(struct measures *measures, struct metrics *metrics)
{
#define COUNTER(field, name, help, beat)                                                           \
    measures->field = metrics_counter(metrics, "adit_gateway_" name, "", help, beat)
#define GAUGE(field, name, help, beat)                                                             \
    measures->field = metrics_gauge(metrics, "adit_gateway_" name, "", help, beat)
    GAUGE(miners, "miners", "Connections that are mining.", "miners");
    GAUGE(connections, "connections", "Open connections.", NULL);
    COUNTER(accepted, "shares_accepted_total", "Shares answered true.", "accepted");
    COUNTER(rejected, "shares_rejected_total", "Shares answered with an error.", "rejected");
    COUNTER(connected, "connects_total", "Connections accepted.", NULL);
    COUNTER(turned_away, "turned_away_total", "Connections told that the pool is full.", NULL);
    COUNTER(closed_slow, "slow_readers_total", "Connections closed because they do not read.",
            NULL);
    COUNTER(lines, "lines_total", "Lines read.", NULL);
    COUNTER(rubbish, "rubbish_total", "Connections closed for what they sent.", NULL);
    COUNTER(closed_rejects, "closed_rejects_total",
            "Connections closed because share after share was rejected.", NULL);
    COUNTER(blocks, "block_shares_total", "Shares that met the network's target.", "blocks");
    COUNTER(raised, "difficulty_raised_total",
            "Times a session's difficulty was raised because validators could not keep up.", NULL);
    GAUGE(held, "shares_held", "Shares waiting for their verdicts.", NULL);
    GAUGE(batches, "batches", "Batches sent since the start.", NULL);
    GAUGE(retries, "batch_retries", "Batches sent again since the start.", NULL);
    GAUGE(given_up, "batches_given_up", "Batches given up since the start.", NULL);
    GAUGE(hedged, "batches_hedged", "Batches sent to a second validator, the first being silent.",
          NULL);
    GAUGE(probes, "validator_probes", "Copies sent to see whether a validator is back.", NULL);
    GAUGE(kept, "batches_kept", "Answered batches kept for a failover.", NULL);
    GAUGE(kept_bytes, "batches_kept_bytes", "The memory they take.", NULL);
    GAUGE(replayed, "batches_replayed", "Batches sent again because the window's history changed.",
          NULL);
    GAUGE(replay_aside, "batches_replay_aside",
          "Batches to be sent again of which validators lack a job.", NULL);
    GAUGE(replay_refused, "replay_shares_refused",
          "Shares answered true that a new history of the window did not take.", NULL);
    GAUGE(validators, "validators", "Validators that answer.", NULL);
    GAUGE(jobs, "jobs", "Jobs taken since the start.", NULL);
    GAUGE(authorisations, "authorisations", "Questions to auth since the start.", NULL);
    GAUGE(resumed, "sessions_resumed", "Sessions resumed since the start.", NULL);
    GAUGE(leases, "leases", "Leases of extranonce1 values held.", NULL);
    GAUGE(conduct_warned, "conduct_warned", "Sessions warned for their conduct since the start.",
          NULL);
    GAUGE(conduct_paused, "conduct_paused", "Sessions not read for a while for it.", NULL);
    GAUGE(conduct_slowed, "conduct_slowed", "Times a session was not read for saying too much.",
          NULL);
    GAUGE(conduct_thrown_out, "conduct_thrown_out", "Sessions closed for it.", NULL);
    GAUGE(conduct_banned, "conduct_banned", "Workers and addresses banned for it.", NULL);
    GAUGE(conduct_refused, "conduct_refused",
          "Connections refused: banned, too many or too often from their address.", NULL);
    GAUGE(traces, "reject_traces", "Traces of rejected shares kept since the start.", NULL);
    GAUGE(traces_dropped, "reject_traces_dropped",
          "Traces beyond their bounds, or while redis.cache was away.", NULL);
    COUNTER(extranonces_out, "extranonces_exhausted_total",
            "Connections refused because every extranonce is in use or resting.", NULL);
#undef COUNTER
#undef GAUGE
    for (int outcome = 0; outcome < SHARE_OUTCOMES_COUNT; outcome++) {
        char labels[64];
        snprintf(labels, sizeof labels, "outcome=\"%s\"",
                 share_outcome_label((enum share_outcome)outcome));
        /* The heartbeat has the reasons for rejects by their labels: the API shows them. */
        measures->outcomes[outcome] =
            metrics_counter(metrics, "adit_gateway_shares_total", labels,
                            outcome == 0 ? "Shares by what became of them." : "",
                            outcome == 0 ? NULL : share_outcome_label((enum share_outcome)outcome));
    }
    measures->answer = metrics_histogram(metrics, "adit_gateway_answer_seconds",
                                         "From a submit read to its answer.");
    measures->broadcast = metrics_histogram(metrics, "adit_gateway_broadcast_seconds",
                                            "From a job's arrival to the last miner's line.");
}

void measures_count(struct measures *measures, enum share_outcome outcome)
{
    metric_add(outcome == SHARE_ACCEPTED ? measures->accepted : measures->rejected, 1);
    metric_add(measures->outcomes[outcome], 1);
}
