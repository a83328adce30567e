/* Whatever comes: it is read or refused, what is read keeps its bounds, what is to be signed is
 * printable lines, and reading it again gives the same. */
#include "base/fuzz.h"
#include "services/inode-scheduler/inode_message.h"

#include <stdlib.h>

static void check(const struct inode_message *message)
{
    ASSERT(message->canonical_length < sizeof message->canonical);
    ASSERT(message->canonical[message->canonical_length] == '\0');
    ASSERT(strlen(message->canonical) == message->canonical_length);
    ASSERT(message->canonical[message->canonical_length - 1] == '\n');
    ASSERT(member_id_is_good(message->validator));
    ASSERT(strlen(message->nonce) >= 8 && message->ts <= INT64_MAX);
    ASSERT(message->type == INODE_PING || message->type == INODE_TASK);
    ASSERT((message->type == INODE_PING) == (message->endpoint[0] != '\0'));
    ASSERT((message->type == INODE_TASK) == (message->task[0] != '\0'));
    size_t lines = 0;
    for (size_t i = 0; i < message->canonical_length; i++) {
        unsigned char c = (unsigned char)message->canonical[i];
        ASSERT(c == '\n' || (c >= ' ' && c <= '~'));
        lines += c == '\n';
    }
    ASSERT(lines >= 3 && lines <= 2 + INODE_MEMBERS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct inode_message message, again;
    /* A copy of its exact length, so that one byte too many is seen. */
    uint8_t *text = malloc(size > 0 ? size : 1);
    ASSERT(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    enum inode_refusal refusal = inode_message_read(span_of(text, size), "pool", &message);
    ASSERT(refusal == INODE_TAKEN || refusal == INODE_BAD_FORMAT || refusal == INODE_BAD_TYPE);
    if (refusal == INODE_TAKEN) {
        check(&message);
        ASSERT(inode_message_read(span_of(text, size), "pool", &again) == INODE_TAKEN);
        ASSERT(again.canonical_length == message.canonical_length &&
               memcmp(again.canonical, message.canonical, message.canonical_length) == 0);
    }
    free(text);
    return 0;
}
