// SPDX-License-Identifier: Apache-2.0
#include "serve/http/grpc.h"

#include "base/assert.h"
#include "base/memory.h"

/* What a message text may grow to in a header: a text is for people, and a header block of more
 * than 8 KiB is refused by common clients. */
enum { GRPC_MESSAGE_MAX = 1024 };

bool grpc_is(Str content_type)
{
    const Str name = STR("application/grpc");

    if (!str_equal_nocase(str_slice(content_type, 0, name.len), name)) {
        return false;
    }
    return content_type.len == name.len || content_type.ptr[name.len] == '+' ||
           content_type.ptr[name.len] == ';' || content_type.ptr[name.len] == ' ';
}

static uint32_t read_length(Str body)
{
    const uint8_t *bytes = (const uint8_t *)body.ptr;

    return (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
}

uint64_t grpc_expected(Str body)
{
    return body.len < GRPC_PREFIX_SIZE ? 0 : (uint64_t)read_length(body) + GRPC_PREFIX_SIZE;
}

static bool encoding_is_served(Str encoding)
{
    Str list = STR(GRPC_ACCEPT_ENCODING), name;
    bool more = true;

    while (more) {
        more = str_split(list, ',', &name, &list);
        if (str_equal_nocase(name, encoding)) {
            return true;
        }
    }
    return false;
}

int grpc_take_message(Str body, Str *encoding, Str *ret_message, const char **ret_text)
{
    uint64_t expected = grpc_expected(body);

    if (expected == 0 || body.len < expected) {
        *ret_text = "the request ends before its message does";
        return 400;
    }
    if (body.len > expected) {
        *ret_text = "only calls with one request message are served";
        return 501;
    }
    if (body.ptr[0] == 0) {
        *encoding = (Str){0};
    } else if (body.ptr[0] != 1 || encoding->len == 0 ||
               str_equal_nocase(*encoding, STR("identity"))) {
        *ret_text = "the message is marked as compressed, but grpc-encoding names no compression";
        return 400;
    } else if (!encoding_is_served(*encoding)) {
        *ret_text = "this grpc-encoding is not served; these are: " GRPC_ACCEPT_ENCODING;
        return 501;
    }
    *ret_message = str_slice(body, GRPC_PREFIX_SIZE, body.len);
    return 0;
}

void grpc_write_prefix(uint8_t prefix[GRPC_PREFIX_SIZE], size_t message_len)
{
    ASSERT(message_len <= UINT32_MAX);
    prefix[0] = 0;
    for (size_t i = 1; i < GRPC_PREFIX_SIZE; i++) {
        prefix[i] = (uint8_t)(message_len >> (8 * (GRPC_PREFIX_SIZE - 1 - i)));
    }
}

void grpc_frame(Buf *message)
{
    size_t len = message->len;

    (void)buf_grow(message, GRPC_PREFIX_SIZE);
    mem_move(message->ptr + GRPC_PREFIX_SIZE, message->ptr, len);
    grpc_write_prefix(message->ptr, len);
}

/* doc/http-grpc-status-mapping.md, and for the statuses that it leaves out the nearest meaning. */
static const struct {
    int status, code;
} from_http[] = {
    {200, GRPC_OK},
    {400, GRPC_INTERNAL},
    {401, GRPC_UNAUTHENTICATED},
    {403, GRPC_PERMISSION_DENIED},
    {404, GRPC_UNIMPLEMENTED},
    {405, GRPC_UNIMPLEMENTED},
    {408, GRPC_DEADLINE_EXCEEDED},
    {413, GRPC_RESOURCE_EXHAUSTED},
    {429, GRPC_UNAVAILABLE},
    {431, GRPC_RESOURCE_EXHAUSTED},
    {500, GRPC_INTERNAL},
    {501, GRPC_UNIMPLEMENTED},
    {502, GRPC_UNAVAILABLE},
    {503, GRPC_UNAVAILABLE},
    {504, GRPC_UNAVAILABLE},
};

int grpc_from_http(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(from_http); i++) {
        if (from_http[i].status == status) {
            return from_http[i].code;
        }
    }
    return GRPC_UNKNOWN;
}

int grpc_to_http(int code)
{
    switch (code) {
    case GRPC_OK:
        return 200;
    case GRPC_UNKNOWN:
    case GRPC_INTERNAL:
    case 15: /* DATA_LOSS */
        return 500;
    case GRPC_UNIMPLEMENTED:
        return 404;
    case GRPC_UNAVAILABLE:
        return 503;
    default:
        return 400;
    }
}

/* Percent-encodes all but printable ASCII (and '%'), as the protocol asks for grpc-message. */
static Str encode_message(Str text, Arena *arena)
{
    CLEANUP(buf_deinit) Buf encoded = {0};

    text = str_slice(text, 0, GRPC_MESSAGE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];

        if (byte < ' ' || byte > '~' || byte == '%') {
            buf_append_format(&encoded, "%%%02X", byte);
        } else {
            buf_append_byte(&encoded, byte);
        }
    }
    return arena_copy(arena, buf_str(&encoded));
}

/* Protobuf enough for four tiny messages; wire/ has readers only. */
static void put_varint(Buf *buf, uint64_t value)
{
    while (value >= 0x80) {
        buf_append_byte(buf, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_append_byte(buf, (uint8_t)value);
}

static void put_bytes(Buf *buf, uint32_t field, Str bytes)
{
    put_varint(buf, (uint64_t)field << 3 | 2);
    put_varint(buf, bytes.len);
    buf_append_str(buf, bytes);
}

static void put_number(Buf *buf, uint32_t field, uint64_t value)
{
    put_varint(buf, (uint64_t)field << 3);
    put_varint(buf, value);
}

static Str base64(Str bytes, Arena *arena)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    CLEANUP(buf_deinit) Buf text = {0};
    uint32_t bits = 0;
    unsigned n_bits = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (uint8_t)bytes.ptr[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6) {
            buf_append_byte(&text, (uint8_t)digits[bits >> (n_bits - 6) & 63]);
        }
    }
    if (n_bits > 0) {
        buf_append_byte(&text, (uint8_t)digits[bits << (6 - n_bits) & 63]);
    }
    return arena_copy(arena, buf_str(&text)); /* without padding, as the protocol prefers */
}

/* google.rpc.Status { code, message, details: [RetryInfo { retry_delay }] }: without it an OTLP
 * client must not retry UNAVAILABLE's relatives such as RESOURCE_EXHAUSTED. */
static Str status_details(const Response *response, Arena *arena)
{
    CLEANUP(buf_deinit) Buf duration = {0};
    CLEANUP(buf_deinit) Buf retry_info = {0};
    CLEANUP(buf_deinit) Buf any = {0};
    CLEANUP(buf_deinit) Buf status = {0};

    put_number(&duration, 1, response->retry_after_s);
    put_bytes(&retry_info, 1, buf_str(&duration));
    put_bytes(&any, 1, STR("type.googleapis.com/google.rpc.RetryInfo"));
    put_bytes(&any, 2, buf_str(&retry_info));
    put_number(&status, 1, (uint64_t)response->grpc_status);
    put_bytes(&status, 2, str_slice(response->grpc_message, 0, GRPC_MESSAGE_MAX));
    put_bytes(&status, 3, buf_str(&any));
    return base64(buf_str(&status), arena);
}

size_t grpc_trailers(const Response *response, Arena *arena, Header trailers[GRPC_TRAILERS_MAX])
{
    size_t n = 0;

    trailers[n++] = (Header){STR("grpc-status"), arena_format(arena, "%d", response->grpc_status)};
    if (response->grpc_message.len > 0) {
        trailers[n++] =
            (Header){STR("grpc-message"), encode_message(response->grpc_message, arena)};
    }
    if (response->retry_after_s > 0 && response->grpc_status != GRPC_OK) {
        trailers[n++] = (Header){STR("grpc-status-details-bin"), status_details(response, arena)};
    }
    return n;
}
