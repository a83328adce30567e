/* However the bytes are cut, the same events come, in the same order, and nothing is read beyond
 * them. */
#include "base/fuzz.h"
#include "core/zmtp/zmtp.h"

enum { EVENTS_MAX = 64 };

/* The events of these bytes, told in pieces of so many; their number. */
static size_t read_in_pieces(const uint8_t *data, size_t size, size_t piece,
                             enum zmtp_event events_r[EVENTS_MAX])
{
    struct zmtp zmtp;
    size_t count = 0;
    zmtp_begin(&zmtp);
    for (size_t at = 0; at < size; at += piece) {
        struct span input = span_of(data + at, size - at < piece ? size - at : piece);
        for (;;) {
            enum zmtp_event event = zmtp_next(&zmtp, &input);
            if (event == ZMTP_MORE)
                break;
            if (count < EVENTS_MAX)
                events_r[count++] = event;
            if (event == ZMTP_MESSAGE)
                ASSERT(zmtp.count >= 1 && zmtp.count <= ZMTP_PARTS_MAX);
            if (zmtp_is_over(event))
                return count;
        }
        ASSERT(input.length == 0);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum zmtp_event whole[EVENTS_MAX], cut[EVENTS_MAX];
    size_t count = read_in_pieces(data, size, size + 1, whole);
    for (size_t piece = 1; piece <= 9; piece += 4) {
        ASSERT(read_in_pieces(data, size, piece, cut) == count);
        ASSERT(memcmp(whole, cut, count * sizeof *whole) == 0);
    }
    return 0;
}
