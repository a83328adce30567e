#include "services/stratum-gateway/image.h"

#include <stdlib.h>

enum { FIRST_BYTES = 65536 };

struct image image_to_write(void)
{
    return (struct image){ .reading = false };
}

struct image image_to_read(const uint8_t *bytes, size_t length)
{
    return (
        struct image){ .reading = true, .bytes = (uint8_t *)(uintptr_t)bytes, .length = length };
}

void image_deinit(struct image *image)
{
    if (!image->reading)
        free(image->bytes);
    *image = (struct image){ .failed = true };
}

static bool grow(struct image *image, size_t length)
{
    size_t wanted = image->length > 0 ? image->length : FIRST_BYTES;
    while (wanted - image->used < length)
        wanted *= 2;
    uint8_t *larger = realloc(image->bytes, wanted);
    if (larger == NULL)
        return false;
    image->bytes = larger;
    image->length = wanted;
    return true;
}

/* `length` bytes to be written or read; NULL: there are none. */
static uint8_t *advance(struct image *image, size_t length)
{
    if (!image->failed && image->length - image->used < length)
        image->failed = image->reading || !grow(image, length);
    if (image->failed)
        return NULL;
    uint8_t *at = image->bytes + image->used;
    image->used += length;
    return at;
}

void image_bytes(struct image *image, void *data, size_t length)
{
    if (length == 0)
        return;
    uint8_t *at = advance(image, length);
    if (!image->reading) {
        if (at != NULL)
            memcpy(at, data, length);
    } else if (at != NULL) {
        memcpy(data, at, length);
    } else {
        memset(data, 0, length);
    }
}

/* Little-endian, as the machine is (base/bytes.h). */
void image_u8(struct image *image, uint8_t *value)
{
    image_bytes(image, value, sizeof *value);
}

void image_u16(struct image *image, uint16_t *value)
{
    image_bytes(image, value, sizeof *value);
}

void image_u32(struct image *image, uint32_t *value)
{
    image_bytes(image, value, sizeof *value);
}

void image_u64(struct image *image, uint64_t *value)
{
    image_bytes(image, value, sizeof *value);
}

void image_bool(struct image *image, bool *value)
{
    uint8_t byte = *value;
    image_u8(image, &byte);
    *value = byte == 1;
    image->failed |= byte > 1;
}

void image_count(struct image *image, uint32_t *count, uint32_t most)
{
    image_u32(image, count);
    if (*count <= most)
        return;
    image->failed = true;
    *count = 0;
}

void image_mark(struct image *image, uint64_t mark)
{
    uint64_t read = mark;
    image_u64(image, &read);
    image->failed |= read != mark;
}

void image_span(struct image *image, struct span *bytes)
{
    uint32_t length = (uint32_t)bytes->length;
    image_u32(image, &length);
    if (!image->reading) {
        image_bytes(image, (void *)(uintptr_t)bytes->data, length);
        return;
    }
    uint8_t *at = advance(image, length);
    *bytes = span_of(at, at != NULL ? length : 0);
}
