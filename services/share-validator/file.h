/* Whole files of the spool's folder: written aside under another name and renamed, so that a file
 * that has its name is whole. Blocking. */
#pragma once
#include "base/bytes.h"

enum { FILE_PATH_BYTES = 4400 };

/* False with errno where the disk fails it. */
MUST_CHECK bool file_write_all(int fd, struct span bytes);
/* Writes the parts one behind the other. With `synced` the bytes are on the disk when it returns
 * (the folder's entry is not: base/folder.h). False and *error: nothing has the name. */
MUST_CHECK bool file_write(const char *path, const char *aside, const struct span *parts,
                           size_t parts_count, bool synced, struct error *error);
/* All of a regular file of 1 to bytes_max bytes, from malloc: caller owns; *bytes_r NULL where it
 * is none. False and *error: it cannot be read now (descriptors, memory, the disk), which says
 * nothing of what is in it. */
MUST_CHECK bool file_read(const char *path, size_t bytes_max, uint8_t **bytes_r, size_t *length_r,
                          struct error *error);
