// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"
#include "wire/message.h"
#include "wire/otlp.h"

/* What OTLP endpoints answer: ExportTraceServiceResponse and google.rpc.Status. */

#define RETRY_INFO_TYPE "type.googleapis.com/google.rpc.RetryInfo"

void otlp_write_response_protobuf(uint64_t n_rejected, Str message, Buf *buf)
{
    if (n_rejected != 0 || message.len != 0) {
        size_t partial_success = message_open(buf, 1);
        message_varint(buf, 1, n_rejected);
        message_str(buf, 2, message);
        message_close(buf, partial_success);
    }
}

void otlp_write_response_json(Str rejected_key, uint64_t n_rejected, Str message, Buf *buf)
{
    JsonWriter writer = {.buf = buf};

    json_open(&writer, '{');
    if (n_rejected != 0 || message.len != 0) {
        json_key(&writer, STR("partialSuccess"));
        json_open(&writer, '{');
        json_key(&writer, rejected_key);
        json_raw(&writer, STR("\"")); /* 64-bit integers are strings in protobuf's JSON */
        buf_append_u64(buf, n_rejected);
        buf_append_byte(buf, '"');
        if (message.len != 0) {
            json_key(&writer, STR("errorMessage"));
            json_string(&writer, message);
        }
        json_close(&writer, '}');
    }
    json_close(&writer, '}');
}

void rpc_status_write_protobuf(int code, Str message, uint32_t retry_delay_s, Buf *buf)
{
    message_varint(buf, 1, (uint64_t)code);
    message_str(buf, 2, message);
    if (retry_delay_s != 0) {
        size_t any = message_open(buf, 3);
        message_str(buf, 1, STR(RETRY_INFO_TYPE));
        size_t retry_info = message_open(buf, 2);
        size_t duration = message_open(buf, 1);
        message_varint(buf, 1, retry_delay_s);
        message_close(buf, duration);
        message_close(buf, retry_info);
        message_close(buf, any);
    }
}

void rpc_status_write_json(int code, Str message, uint32_t retry_delay_s, Buf *buf)
{
    JsonWriter writer = {.buf = buf};

    json_open(&writer, '{');
    json_key(&writer, STR("code"));
    json_i64(&writer, code);
    json_key(&writer, STR("message"));
    json_string(&writer, message);
    if (retry_delay_s != 0) {
        json_key(&writer, STR("details"));
        json_raw(&writer, STR("[{\"@type\":\"" RETRY_INFO_TYPE "\",\"retryDelay\":\""));
        buf_append_u64(buf, retry_delay_s);
        buf_append_str(buf, STR("s\"}]"));
    }
    json_close(&writer, '}');
}
