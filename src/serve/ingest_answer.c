// SPDX-License-Identifier: Apache-2.0
#include "serve/ingest_answer.h"

#include "base/assert.h"
#include "serve/ingest.h"
#include "wire/otlp.h"

/* google.rpc.Code */
enum {
    CODE_INVALID_ARGUMENT = 3,
    CODE_RESOURCE_EXHAUSTED = 8,
    CODE_UNIMPLEMENTED = 12,
    CODE_UNAVAILABLE = 14,
};

enum { RETRY_BUSY_S = 1, RETRY_DISK_S = 10 };

typedef struct FailureText {
    int http, grpc;
    uint32_t retry_after_s;
    const char *message;
} FailureText;

static const FailureText failures[] = {
    [FAILURE_UNDECODABLE] = {400, CODE_INVALID_ARGUMENT, 0, "the body cannot be decoded"},
    [FAILURE_TOO_LARGE] =
        {413, CODE_RESOURCE_EXHAUSTED, 0,
         "the request is larger than 64 MiB after decompression; send smaller batches"},
    [FAILURE_CONTENT_TYPE] =
        {415, CODE_UNIMPLEMENTED, 0,
         "the content type must be application/x-protobuf or application/json"},
    [FAILURE_ENCODING] = {415, CODE_UNIMPLEMENTED, 0,
                          "the content encoding must be gzip, zstd, deflate, snappy or identity"},
    [FAILURE_BUSY] = {429, CODE_UNAVAILABLE, RETRY_BUSY_S,
                      "too much is waiting to be written; nothing was kept, please retry"},
    [FAILURE_LARGE] = {503, CODE_UNAVAILABLE, RETRY_BUSY_S,
                       "other large requests are being decoded; nothing was kept, please retry"},
    [FAILURE_DISK] = {503, CODE_UNAVAILABLE, RETRY_DISK_S,
                      "the disk refuses writes; nothing was kept, please retry"},
};

AnswerFormat answer_format(const Request *request)
{
    Str type, parameters;

    if (request->is_grpc) {
        return ANSWER_GRPC;
    }
    str_split(request->content_type, ';', &type, &parameters);
    type = str_trim(type);
    if (str_equal_nocase(type, STR("application/json"))) {
        return ANSWER_JSON;
    }
    if (str_equal_nocase(type, STR("application/x-protobuf")) ||
        str_equal_nocase(type, STR("application/protobuf"))) {
        return ANSWER_PROTOBUF;
    }
    return ANSWER_UNKNOWN;
}

static Str content_type(AnswerFormat format)
{
    switch (format) {
    case ANSWER_PROTOBUF:
        return STR("application/x-protobuf");
    case ANSWER_GRPC:
        return STR("application/grpc");
    case ANSWER_ZIPKIN:
        return STR("text/plain; charset=utf-8");
    default:
        return STR("application/json");
    }
}

/* The key of partial_success in JSON: by the signal's path. */
static Str rejected_key(const Request *request)
{
    if (str_ends_with(request->path, STR("/metrics"))) {
        return STR("rejectedDataPoints");
    }
    return str_ends_with(request->path, STR("/logs")) ? STR("rejectedLogRecords")
                                                      : STR("rejectedSpans");
}

void answer_send_kept(Exchange *exchange, AnswerFormat format, size_t n_rejected, Str reason)
{
    Response response = {.status = format == ANSWER_ZIPKIN ? 202 : 200,
                         .content_type = content_type(format)};

    if (format == ANSWER_JSON) {
        otlp_write_response_json(rejected_key(exchange_request(exchange)), n_rejected, reason,
                                 &response.body);
    } else if (format != ANSWER_ZIPKIN) {
        otlp_write_response_protobuf(n_rejected, reason, &response.body);
    }
    exchange_respond(exchange, &response);
}

/* google.rpc.Status, or plain text where the protocol has no form of its own. */
static void write_error(AnswerFormat format, const FailureText *failure, Str message,
                        Response *response)
{
    response->status = failure->http;
    response->retry_after_s = failure->retry_after_s;
    response->content_type = content_type(format);
    switch (format) {
    case ANSWER_GRPC:
        response->status = 200;
        response->grpc_status = failure->grpc;
        response->grpc_message = message;
        break;
    case ANSWER_PROTOBUF:
        rpc_status_write_protobuf(failure->grpc, message, failure->retry_after_s, &response->body);
        break;
    case ANSWER_ZIPKIN:
        buf_append_str(&response->body, message);
        buf_append_byte(&response->body, '\n');
        break;
    case ANSWER_JSON:
    case ANSWER_UNKNOWN:
        rpc_status_write_json(failure->grpc, message, failure->retry_after_s, &response->body);
        break;
    }
}

void answer_send_failure(Exchange *exchange, AnswerFormat format, Failure failure,
                         const ParseError *error)
{
    CLEANUP(buf_deinit) Buf message = {0};
    Response response = {0};

    ASSERT(failure < ARRAY_LEN(failures));
    buf_append_str(&message, str_from_cstr(failures[failure].message));
    if (failure == FAILURE_UNDECODABLE && error != NULL && error->text != NULL) {
        buf_append_format(&message, ": %s at byte %zu", error->text, error->offset);
    }
    write_error(format, &failures[failure], buf_str(&message), &response);
    exchange_respond(exchange, &response);
}

void ingest_otlp_error_body(const Request *request, int status, Str message, Response *response)
{
    AnswerFormat format = answer_format(request);
    const FailureText failure = {
        .http = status,
        .grpc = status == 413   ? CODE_RESOURCE_EXHAUSTED
                : status == 400 ? CODE_INVALID_ARGUMENT
                : status >= 500 ? CODE_UNAVAILABLE
                                : CODE_UNIMPLEMENTED,
        .retry_after_s = response->retry_after_s,
    };

    if (format != ANSWER_GRPC) {
        write_error(format, &failure, message, response);
    }
}
