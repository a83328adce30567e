/* What the files of core/proof share: nodes and positions as bytes. */
#pragma once
#include "base/cursor.h"
#include "core/proof/proof.h"
#include "core/proof/tagged.h"

void proof_put_node(struct cursor_writer *writer, const struct proof_node *node);
void proof_put_position(struct cursor_writer *writer, const struct proof_position *position);
void proof_get_node(struct cursor_reader *reader, struct proof_node *node_r);
void proof_get_position(struct cursor_reader *reader, struct proof_position *position_r);
