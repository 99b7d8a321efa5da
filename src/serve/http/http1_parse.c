// SPDX-License-Identifier: Apache-2.0
#include "serve/http/http1_parse.h"

#include "base/memory.h"
#include "serve/http/router.h"

bool http1_head_end(Str bytes, size_t *scanned, size_t *ret_length)
{
    size_t at = str_find_byte(bytes, '\n', *scanned);

    while (at < bytes.len) {
        size_t line = at > 0 && bytes.ptr[at - 1] == '\r' ? at - 1 : at;

        if (line > 0 && bytes.ptr[line - 1] == '\n') {
            *ret_length = at + 1;
            return true;
        }
        at = str_find_byte(bytes, '\n', at + 1);
    }
    *scanned = bytes.len;
    return false;
}

/* RFC 9110, 5.6.2. */
static bool is_token_byte(char byte)
{
    switch (byte) {
    case '0' ... '9':
    case 'a' ... 'z':
    case 'A' ... 'Z':
    case '!':
    case '#' ... '\'':
    case '*':
    case '+':
    case '-':
    case '.':
    case '^':
    case '_':
    case '`':
    case '|':
    case '~':
        return true;
    default:
        return false;
    }
}

bool http1_may_begin(char byte)
{
    return is_token_byte(byte);
}

static bool is_token(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_token_byte(text.ptr[i])) {
            return false;
        }
    }
    return text.len > 0;
}

/* Controls but the tab have no place in a value; bytes above ASCII are opaque (RFC 9110, 5.5). */
static bool is_field_value(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_target(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];

        if (byte <= ' ' || byte == 0x7f) {
            return false;
        }
    }
    return text.len > 0;
}

static int bad(ParseError *ret_error, Str whole, Str at, int status, const char *text)
{
    *ret_error =
        (ParseError){.offset = at.ptr == NULL ? 0 : (size_t)(at.ptr - whole.ptr), .text = text};
    return status;
}

/* One line without its end, CRLF or LF, taken off @rest. */
static Str take_line(Str *rest)
{
    Str line;

    (void)str_split(*rest, '\n', &line, rest);
    if (str_ends_with(line, STR("\r"))) {
        line.len--;
    }
    return line;
}

/* Origin form, or absolute form (RFC 9112, 3.2.2) without its scheme and authority. "*" and
 * CONNECT's authority are left as they are: no route has them. */
static void split_target(Str target, Http1Head *head)
{
    size_t scheme = str_find(target, STR("://"));

    if (target.ptr[0] != '/' && scheme < target.len && is_token(str_slice(target, 0, scheme))) {
        target = str_slice(target, scheme + 3, target.len);
        size_t authority = MIN(str_find_byte(target, '/', 0), str_find_byte(target, '?', 0));
        target = str_slice(target, authority, target.len);
        if (target.len == 0) {
            target = STR("/");
        }
    }
    (void)str_split(target, '#', &target, &(Str){0});
    (void)str_split(target, '?', &head->path, &head->query);
    if (head->path.len == 0) {
        head->path = STR("/");
    }
}

static int parse_request_line(Str whole, Str line, Http1Head *head, ParseError *ret_error)
{
    Str rest, target, version;

    (void)str_split(line, ' ', &head->method_text, &rest);
    (void)str_split(rest, ' ', &target, &version);
    if (!is_token(head->method_text)) {
        return bad(ret_error, whole, line, 400, "the request line has no method");
    }
    if (!is_target(target)) {
        return bad(ret_error, whole, line, 400, "the request line has no valid target");
    }
    if (str_equal(version, STR("HTTP/1.0"))) {
        head->is_http10 = true;
    } else if (!str_equal(version, STR("HTTP/1.1"))) {
        bool other = version.len == 8 && str_starts_with(version, STR("HTTP/"));

        return bad(ret_error, whole, version, other ? 505 : 400,
                   "the request line does not end in HTTP/1.0 or HTTP/1.1");
    }
    head->method = method_parse(head->method_text);
    split_target(target, head);
    return 0;
}

static Str lower_copy(Arena *arena, Str text)
{
    Str copy = arena_copy(arena, text);

    for (size_t i = 0; i < copy.len; i++) {
        ((char *)copy.ptr)[i] = ascii_lower(copy.ptr[i]);
    }
    return copy;
}

static int parse_field(Str whole, Str line, Arena *arena, Http1Head *head, ParseError *ret_error)
{
    Str name, value;

    if (head->n_headers == HTTP_HEADERS_MAX) {
        return bad(ret_error, whole, line, 431, "too many header fields");
    }
    /* A folded line begins with white space, which is no token; so does "Name : value". */
    if (!str_split(line, ':', &name, &value) || !is_token(name)) {
        return bad(ret_error, whole, line, 400, "a header line is no \"name: value\"");
    }
    if (!is_field_value(value)) {
        return bad(ret_error, whole, line, 400, "a header value has control characters");
    }
    head->headers[head->n_headers++] =
        (Header){.name = lower_copy(arena, name), .value = str_trim(value)};
    return 0;
}

/* Whether the comma list @list has @token, without case. */
static bool list_has(Str list, Str token)
{
    Str item;
    bool more = true;

    while (more) {
        more = str_split(list, ',', &item, &list);
        if (str_equal_nocase(str_trim(item), token)) {
            return true;
        }
    }
    return false;
}

typedef struct Framing {
    bool has_length, has_host;
} Framing;

/* What decides where the request ends and whether the connection goes on (RFC 9112, 6.3). */
static int read_framing(const Header *header, Http1Head *head, Framing *framing, const char **text)
{
    if (str_equal(header->name, STR("content-length"))) {
        *text = "Content-Length is repeated or no number";
        if (framing->has_length || header->value.len == 0 ||
            !ascii_is_digit(header->value.ptr[0]) ||
            str_parse_u64(header->value, &head->content_length) != 0) {
            return 400;
        }
        framing->has_length = true;
    } else if (str_equal(header->name, STR("transfer-encoding"))) {
        *text = "the only Transfer-Encoding served is chunked, once, in HTTP/1.1";
        if (!str_equal_nocase(header->value, STR("chunked"))) {
            return 501;
        }
        if (head->chunked || head->is_http10) {
            return 400;
        }
        head->chunked = true;
    } else if (str_equal(header->name, STR("host"))) {
        *text = "Host is repeated";
        if (framing->has_host) {
            return 400;
        }
        framing->has_host = true;
    } else if (str_equal(header->name, STR("connection"))) {
        if (list_has(header->value, STR("close"))) {
            head->keep_alive = false;
        } else if (head->is_http10 && list_has(header->value, STR("keep-alive"))) {
            head->keep_alive = true;
        }
    } else if (str_equal(header->name, STR("expect"))) {
        *text = "the only expectation served is 100-continue";
        if (!str_equal_nocase(header->value, STR("100-continue"))) {
            return 417;
        }
        head->expect_continue = !head->is_http10;
    }
    return 0;
}

static int check_framing(Str whole, Http1Head *head, ParseError *ret_error)
{
    Framing framing = {0};
    const char *text = "";

    head->keep_alive = !head->is_http10;
    for (size_t i = 0; i < head->n_headers; i++) {
        int status = read_framing(&head->headers[i], head, &framing, &text);

        if (status != 0) {
            return bad(ret_error, whole, head->headers[i].value, status, text);
        }
    }
    if (head->chunked && framing.has_length) {
        return bad(ret_error, whole, whole, 400, "both Content-Length and Transfer-Encoding");
    }
    if (!framing.has_host && !head->is_http10) {
        return bad(ret_error, whole, whole, 400, "Host is missing");
    }
    return 0;
}

int http1_head_parse(Str bytes, Arena *arena, Http1Head *ret_head, ParseError *ret_error)
{
    Str whole = arena_copy(arena, bytes);
    Str rest = whole;
    Http1Head head = {0};

    TRY(parse_request_line(whole, take_line(&rest), &head, ret_error));
    size_t n_lines = 0;
    for (size_t at = 0; at < rest.len && n_lines < HTTP_HEADERS_MAX; n_lines++) {
        at = str_find_byte(rest, '\n', at) + 1;
    }
    head.headers = ARENA_ARRAY(arena, Header, n_lines);
    for (Str line = take_line(&rest); line.len > 0; line = take_line(&rest)) {
        if (head.n_headers == n_lines) {
            return bad(ret_error, whole, line, 431, "too many header fields");
        }
        TRY(parse_field(whole, line, arena, &head, ret_error));
    }
    TRY(check_framing(whole, &head, ret_error));
    *ret_head = head;
    return 0;
}

static int hex_digit(char byte)
{
    switch (byte) {
    case '0' ... '9':
        return byte - '0';
    case 'a' ... 'f':
        return byte - 'a' + 10;
    case 'A' ... 'F':
        return byte - 'A' + 10;
    default:
        return -1;
    }
}

static int chunk_size_byte(ChunkDecoder *decoder, char byte)
{
    int digit = hex_digit(byte);

    if (++decoder->n_line > HTTP_CHUNK_LINE_MAX) {
        return CHUNK_BAD;
    }
    if (digit >= 0) {
        if (++decoder->n_digits > 15) { /* 2^60 is beyond any limit */
            return CHUNK_BAD;
        }
        decoder->left = decoder->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (decoder->n_digits == 0) {
        return CHUNK_BAD;
    }
    if (byte == '\r') {
        decoder->state = CHUNK_SIZE_LF;
    } else if (byte == ';' || byte == ' ' || byte == '\t') {
        decoder->state = CHUNK_EXTENSION;
    } else {
        return CHUNK_BAD;
    }
    return 0;
}

static int chunk_extension_byte(ChunkDecoder *decoder, char byte)
{
    if (++decoder->n_line > HTTP_CHUNK_LINE_MAX || byte == '\n') {
        return CHUNK_BAD;
    }
    if (byte == '\r') {
        decoder->state = CHUNK_SIZE_LF;
    }
    return 0;
}

/* Trailer fields are read over: no handler asks for them. */
static int chunk_trailer_byte(ChunkDecoder *decoder, char byte)
{
    bool starts = decoder->state == CHUNK_TRAILER_START;

    if (++decoder->n_trailers > HTTP_TRAILER_BYTES_MAX || byte == '\n' || byte == '\0') {
        return CHUNK_BAD;
    }
    if (byte == '\r') {
        decoder->state = starts ? CHUNK_END_LF : CHUNK_TRAILER_LF;
    } else {
        decoder->state = CHUNK_TRAILER;
    }
    return 0;
}

static int expect_byte(ChunkDecoder *decoder, char byte, char expected, int next)
{
    if (byte != expected) {
        return CHUNK_BAD;
    }
    decoder->state = (__typeof__(decoder->state))next;
    return 0;
}

static int chunk_frame_byte(ChunkDecoder *decoder, char byte)
{
    switch (decoder->state) {
    case CHUNK_SIZE:
        return chunk_size_byte(decoder, byte);
    case CHUNK_EXTENSION:
        return chunk_extension_byte(decoder, byte);
    case CHUNK_SIZE_LF:
        return expect_byte(decoder, byte, '\n',
                           decoder->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START);
    case CHUNK_DATA_CR:
        return expect_byte(decoder, byte, '\r', CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        decoder->n_line = decoder->n_digits = 0;
        return expect_byte(decoder, byte, '\n', CHUNK_SIZE);
    case CHUNK_TRAILER_START:
    case CHUNK_TRAILER:
        return chunk_trailer_byte(decoder, byte);
    case CHUNK_TRAILER_LF:
        return expect_byte(decoder, byte, '\n', CHUNK_TRAILER_START);
    case CHUNK_END_LF:
        return expect_byte(decoder, byte, '\n', CHUNK_DONE_STATE);
    case CHUNK_DATA:
    case CHUNK_DONE_STATE:
        break;
    }
    return CHUNK_BAD;
}

int chunk_decode(ChunkDecoder *decoder, Str *in, Str *ret_data)
{
    Str rest = *in, data = {0};
    int r = 0;

    while (rest.len > 0 && decoder->state != CHUNK_DATA && r == 0) {
        r = chunk_frame_byte(decoder, rest.ptr[0]);
        rest = str_slice(rest, 1, rest.len);
        if (r == 0 && decoder->state == CHUNK_DONE_STATE) {
            r = CHUNK_DONE;
        }
    }
    if (r == 0 && decoder->state == CHUNK_DATA) {
        data = str_slice(rest, 0, (size_t)MIN(decoder->left, (uint64_t)rest.len));
        rest = str_slice(rest, data.len, rest.len);
        decoder->left -= data.len;
        if (decoder->left == 0) {
            decoder->state = CHUNK_DATA_CR;
        }
    }
    *in = rest;
    *ret_data = data;
    return r;
}
