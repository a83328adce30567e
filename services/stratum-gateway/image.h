/* Bytes that carry a process's state into the program that takes its place: one description of a
 * struct writes and reads it, field by field. Sticky: after the first lack everything read is zero,
 * and the end is checked once. One thread. */
#pragma once
#include "base/bytes.h"

struct image {
    bool reading;
    bool failed;    /* no memory; or fewer bytes, or others, than there should be */
    uint8_t *bytes; /* its own while writing, borrowed while reading */
    size_t used;    /* written, or read so far */
    size_t length;
};

struct image image_to_write(void);
struct image image_to_read(const uint8_t *bytes, size_t length);
/* Frees what was written. */
void image_deinit(struct image *image);

void image_bytes(struct image *image, void *data, size_t length);
void image_u8(struct image *image, uint8_t *value);
void image_u16(struct image *image, uint16_t *value);
void image_u32(struct image *image, uint32_t *value);
void image_u64(struct image *image, uint64_t *value);
void image_bool(struct image *image, bool *value);
/* A count of what follows; above `most` it fails, and is 0. */
void image_count(struct image *image, uint32_t *count, uint32_t most);
/* A number both sides must agree on. */
void image_mark(struct image *image, uint64_t mark);
/* Bytes behind their length: read, they are borrowed. */
void image_span(struct image *image, struct span *bytes);
