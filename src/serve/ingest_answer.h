// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/http/exchange.h"

/* What receivers answer, in the words of each protocol; the table of failures is in serve/ingest.h.
 */
typedef enum AnswerFormat {
    ANSWER_UNKNOWN, /* a content type that no receiver reads */
    ANSWER_PROTOBUF,
    ANSWER_JSON,
    ANSWER_GRPC,
    ANSWER_ZIPKIN,
} AnswerFormat;

typedef enum Failure {
    FAILURE_UNDECODABLE,
    FAILURE_TOO_LARGE,
    FAILURE_CONTENT_TYPE,
    FAILURE_ENCODING,
    FAILURE_BUSY,
    FAILURE_LARGE,
    FAILURE_DISK,
} Failure;

/* By the request's content type (parameters ignored), or gRPC. */
AnswerFormat answer_format(const Request *request);

/* Success. @n_rejected spans were left out because of @reason. */
void answer_send_kept(Exchange *exchange, AnswerFormat format, size_t n_rejected, Str reason);

/* @error says where and what for FAILURE_UNDECODABLE and may be NULL for the others. */
void answer_send_failure(Exchange *exchange, AnswerFormat format, Failure failure,
                         const ParseError *error);
