/* A session as it goes from one program to the next. One thread. */
#pragma once
#include "core/stratum/stratum.h"
#include "services/stratum-gateway/image.h"

/* Writes or reads all of it but what is lent: answers (there must be none) and more workers. */
void session_image(struct image *image, struct stratum_session *session);
/* One place of a table of workers. */
void session_image_worker(struct image *image, struct stratum_worker *worker);
