// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"
#include "wire/cursor.h"

/*
 * Appends protobuf fields. The plain ones leave out defaults, as proto3 does; `present` ones are
 * for oneofs, where an empty string or a zero says something too.
 *
 *     size_t span = message_open(buf, 2);
 *     message_str(buf, 5, name);
 *     message_close(buf, span);
 */
void message_varint(Buf *buf, uint32_t field, uint64_t value);
void message_fixed64(Buf *buf, uint32_t field, uint64_t value);
void message_fixed32(Buf *buf, uint32_t field, uint32_t value);
void message_str(Buf *buf, uint32_t field, Str value);
void message_present_varint(Buf *buf, uint32_t field, uint64_t value);
void message_present_fixed64(Buf *buf, uint32_t field, uint64_t value);
void message_present_str(Buf *buf, uint32_t field, Str value);

/* A message inside, whose fields are what is appended until its close. */
size_t message_open(Buf *buf, uint32_t field);
void message_close(Buf *buf, size_t opened);
