#include "services/inode-scheduler/inode_message.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

const char *inode_refusal_text(enum inode_refusal refusal)
{
    static const char *const texts[] = { "",
#define X(name, text) text,
                                         INODE_REFUSALS(X)
#undef X
    };
    return refusal < INODE_REFUSALS_COUNT ? texts[refusal] : "";
}

const char *inode_refusal_label(enum inode_refusal refusal)
{
    static const char *const labels[INODE_REFUSALS_COUNT] = {
        [INODE_TAKEN] = "none",
        [INODE_BAD_FORMAT] = "format",
        [INODE_BAD_TYPE] = "type",
        [INODE_NO_VALIDATOR] = "validator",
        [INODE_NO_POOL] = "pool",
        [INODE_NO_STAKE] = "stake",
        [INODE_BAD_SIGNATURE] = "signature",
        [INODE_STALE] = "stale",
        [INODE_REPLAYED] = "replayed",
        [INODE_TOO_MANY] = "too_many",
        [INODE_NO_TASK] = "task",
        [INODE_BUSY] = "busy",
    };
    return refusal < INODE_REFUSALS_COUNT ? labels[refusal] : "unknown";
}

struct part {
    const char *name;
    char number[24];
    const char *value; /* a text, or the number in `number` */
};

struct parts {
    struct part list[INODE_MEMBERS_MAX];
    size_t count;
};

static bool is_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return true;
}

/* Names are words: no '=' can stand in one, so canonical forms differ where messages do. */
static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t length = strlen(name);
    return length >= 1 && length <= INODE_NAME_MAX && strspn(name, letters) == length;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct part *)a)->name, ((const struct part *)b)->name);
}

static bool gather(json_t *object, struct parts *parts)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (parts->count == INODE_MEMBERS_MAX || !is_name(name))
            return false;
        struct part *part = &parts->list[parts->count++];
        part->name = name;
        if (json_is_string(value)) {
            part->value = json_string_value(value);
            if (!is_printable(part->value, json_string_length(value)))
                return false;
        } else if (json_is_integer(value) && json_integer_value(value) >= 0) {
            snprintf(part->number, sizeof part->number, "%" JSON_INTEGER_FORMAT,
                     json_integer_value(value));
            part->value = NULL;
        } else {
            return false;
        }
    }
    qsort(parts->list, parts->count, sizeof *parts->list, by_name);
    for (size_t i = 0; i < parts->count; i++) /* where they stay */
        if (parts->list[i].value == NULL)
            parts->list[i].value = parts->list[i].number;
    return true;
}

static const char *value_of(const struct parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->list[i].name, name) == 0)
            return parts->list[i].value;
    return NULL;
}

/* A member that must be there, of at most bytes - 1 characters. */
static bool copy_value(const struct parts *parts, const char *name, char *text_r, size_t bytes)
{
    const char *value = value_of(parts, name);
    if (value == NULL || value[0] == '\0' || strlen(value) >= bytes)
        return false;
    memcpy(text_r, value, strlen(value) + 1);
    return true;
}

static bool read_number(const struct parts *parts, const char *name, uint64_t most,
                        uint64_t *number_r)
{
    const char *value = value_of(parts, name);
    u128 number;
    if (value == NULL || !u128_parse(value, strlen(value), &number) || number > most)
        return false;
    *number_r = (uint64_t)number;
    return true;
}

static bool append(struct inode_message *message, const char *name, const char *value)
{
    size_t room = sizeof message->canonical - message->canonical_length;
    int length =
        snprintf(message->canonical + message->canonical_length, room, "%s=%s\n", name, value);
    if (length < 0 || (size_t)length >= room)
        return false;
    message->canonical_length += (size_t)length;
    return true;
}

static bool canonise(const struct parts *parts, const char *inode, struct inode_message *message)
{
    static const char first[] = "adit-inode-1\n";
    memcpy(message->canonical, first, sizeof first);
    message->canonical_length = sizeof first - 1;
    bool fits = append(message, "inode", inode);
    for (size_t i = 0; i < parts->count && fits; i++)
        if (strcmp(parts->list[i].name, "sig") != 0)
            fits = append(message, parts->list[i].name, parts->list[i].value);
    return fits;
}

static bool read_proof(const struct parts *parts, struct inode_message *message)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *signature = value_of(parts, "sig");
    size_t length;
    return read_number(parts, "ts", INT64_MAX, &message->ts) &&
           copy_value(parts, "nonce", message->nonce, sizeof message->nonce) &&
           (length = strlen(message->nonce)) >= 8 && strspn(message->nonce, letters) == length &&
           signature != NULL &&
           hex_decode(signature, strlen(signature), message->signature,
                      sizeof message->signature) &&
           copy_value(parts, "validator_wallet", message->validator, sizeof message->validator) &&
           member_id_is_good(message->validator);
}

/* An address of IPv4 or IPv6 and a port: kept and shown, so nothing else may pass for one. */
static bool read_endpoint(const struct parts *parts, struct inode_message *message)
{
    char ip[INET6_ADDRSTRLEN], shown[INET6_ADDRSTRLEN];
    uint8_t address[16];
    uint64_t port;
    if (!copy_value(parts, "ip", ip, sizeof ip) || !read_number(parts, "port", 65535, &port) ||
        port == 0)
        return false;
    bool six = inet_pton(AF_INET6, ip, address) == 1;
    if (!six && inet_pton(AF_INET, ip, address) != 1)
        return false;
    (void)inet_ntop(six ? AF_INET6 : AF_INET, address, shown, sizeof shown);
    int length = snprintf(message->endpoint, sizeof message->endpoint,
                          six ? "[%s]:%" PRIu64 : "%s:%" PRIu64, shown, port);
    return length > 0 && (size_t)length < sizeof message->endpoint;
}

static bool read_report(const struct parts *parts, struct inode_message *message)
{
    const char *verdict = value_of(parts, "verdict"), *evidence = value_of(parts, "evidence");
    message->valid = verdict == NULL || strcmp(verdict, "valid") == 0;
    if (!message->valid && strcmp(verdict, "invalid") != 0)
        return false;
    if (evidence != NULL && strlen(evidence) >= sizeof message->evidence)
        return false;
    snprintf(message->evidence, sizeof message->evidence, "%s", evidence != NULL ? evidence : "");
    return copy_value(parts, "pool_wallet", message->pool, sizeof message->pool) &&
           member_id_is_good(message->pool) &&
           copy_value(parts, "val_id", message->task, sizeof message->task);
}

static enum inode_refusal read_object(json_t *object, const char *inode,
                                      struct inode_message *message)
{
    struct parts parts = { .count = 0 };
    const char *type;
    if (!json_is_object(object) || !gather(object, &parts) ||
        (type = value_of(&parts, "type")) == NULL)
        return INODE_BAD_FORMAT;
    bool ping = strcmp(type, "PING") == 0;
    if (!ping && strcmp(type, "TASK") != 0)
        return INODE_BAD_TYPE;
    message->type = ping ? INODE_PING : INODE_TASK;
    return read_proof(&parts, message) &&
                   (ping ? read_endpoint(&parts, message) : read_report(&parts, message)) &&
                   canonise(&parts, inode, message)
               ? INODE_TAKEN
               : INODE_BAD_FORMAT;
}

enum inode_refusal inode_message_read(struct span text, const char *inode,
                                      struct inode_message *message_r)
{
    json_error_t ignored;
    if (text.length == 0 || text.length > INODE_MESSAGE_MAX)
        return INODE_BAD_FORMAT;
    *message_r = (struct inode_message){ .type = INODE_PING };
    json_t *object =
        json_loadb((const char *)text.data, text.length, JSON_REJECT_DUPLICATES, &ignored);
    enum inode_refusal refusal =
        object == NULL ? INODE_BAD_FORMAT : read_object(object, inode, message_r);
    json_decref(object);
    return refusal;
}
