#include "tools/load/report.h"

#include <inttypes.h>

const char *report_mode_name(enum load_mode mode)
{
    switch (mode) {
    case LOAD_SATURATE:
        return "saturate";
    case LOAD_RATE:
        return "rate";
    case LOAD_IDLE:
        return "idle";
    case LOAD_FANOUT:
        return "fanout";
    }
    return "?";
}

static double per(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static double ms(const struct histogram *histogram, uint32_t millionths)
{
    return (double)histogram_at(histogram, millionths) / 1e6;
}

void report_text(const struct load_options *options, const struct load_result *result, FILE *out)
{
    const struct load_counts *counts = &result->counts;
    fprintf(out, "%-28s %" PRIu32 " (%s), connected in %.2f s\n", "miners", options->connections,
            report_mode_name(options->mode), result->connect_seconds);
    if (options->mode == LOAD_SATURATE || options->mode == LOAD_RATE) {
        fprintf(out, "%-28s %.0f /s over %.1f s\n", "accepted shares",
                per((double)counts->accepted, result->seconds), result->seconds);
        fprintf(out, "%-28s %" PRIu64, "rejected", counts->rejected);
        for (int code = 0; code < 100; code++)
            if (counts->codes[code] > 0)
                fprintf(out, "  code %d: %" PRIu64, code, counts->codes[code]);
        fprintf(out, "\n%-28s %" PRIu64 "\n", "unanswered", counts->unanswered);
        fprintf(out, "%-28s p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms\n", "latency",
                ms(&result->latency, 500000), ms(&result->latency, 900000),
                ms(&result->latency, 990000), ms(&result->latency, 999000),
                (double)result->latency.max / 1e6);
        fprintf(out, "%-28s %.1f submits a write, %.1f answers a read\n", "batching",
                per((double)counts->submitted, (double)counts->writes),
                per((double)(counts->accepted + counts->rejected), (double)counts->reads));
    }
    if (options->mode == LOAD_RATE)
        fprintf(out, "%-28s p50 %.3f  p99 %.3f ms\n", "written late by", ms(&result->late, 500000),
                ms(&result->late, 990000));
    fprintf(out, "%-28s %.2f us a share\n", "this generator's CPU",
            per(result->cpu_seconds * 1e6, (double)(counts->accepted + counts->rejected)));
    fprintf(out, "%-28s %" PRIu64 "\n", "connections lost", counts->lost);
}

void report_json(const struct load_options *options, const struct load_result *result, FILE *out)
{
    const struct load_counts *counts = &result->counts;
    fprintf(out,
            "{\"mode\":\"%s\",\"connections\":%" PRIu32 ",\"in_flight\":%" PRIu32
            ",\"rate\":%.1f,\"seconds\":%.6f,\"connect_seconds\":%.6f,\"cpu_seconds\":%.6f,"
            "\"submitted\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64
            ",\"unanswered\":%" PRIu64 ",\"unmatched\":%" PRIu64 ",\"lost\":%" PRIu64
            ",\"writes\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"bytes_out\":%" PRIu64
            ",\"bytes_in\":%" PRIu64 ",\"codes\":{",
            report_mode_name(options->mode), options->connections, options->in_flight,
            options->rate, result->seconds, result->connect_seconds, result->cpu_seconds,
            counts->submitted, counts->accepted, counts->rejected, counts->unanswered,
            counts->unmatched, counts->lost, counts->writes, counts->reads, counts->bytes_out,
            counts->bytes_in);
    const char *comma = "";
    for (int code = 0; code < 100; code++) {
        if (counts->codes[code] == 0)
            continue;
        fprintf(out, "%s\"%d\":%" PRIu64, comma, code, counts->codes[code]);
        comma = ",";
    }
    fprintf(out,
            "},\"latency_ms\":{\"p50\":%.4f,\"p90\":%.4f,\"p99\":%.4f,\"p999\":%.4f,\"max\":%.4f},"
            "\"late_ms\":{\"p50\":%.4f,\"p99\":%.4f}}",
            ms(&result->latency, 500000), ms(&result->latency, 900000),
            ms(&result->latency, 990000), ms(&result->latency, 999000),
            (double)result->latency.max / 1e6, ms(&result->late, 500000),
            ms(&result->late, 990000));
}
