// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "codec/compress.h"
#include "serve/http/server.h"

/*
 * Whole connections of real clients (shared/data/clients, see its README.md), sent byte by
 * byte as recorded. Every request must arrive with the path, content type, encoding and body that
 * the capture's index names.
 */
enum { RECORDS_MAX = 64, FILE_MAX = 16 << 20, READ_TIMEOUT_MS = 10000 };

typedef struct Record {
    Buf path, content_type, encoding, body;
    bool is_grpc;
} Record;

static struct {
    Server *server;
    uint16_t port;
    pthread_mutex_t lock;
    Record records[RECORDS_MAX]; /* under lock */
    size_t n_records;
    size_t n_checked;
} fixture;

static void handle_record(void *context, Exchange *exchange)
{
    const Request *request = exchange_request(exchange);
    Response response = {.status = 200, .content_type = STR("application/json")};

    pthread_mutex_lock(&fixture.lock);
    assert_true(fixture.n_records < RECORDS_MAX);
    Record *record = &fixture.records[fixture.n_records++];
    *record = (Record){.is_grpc = request->is_grpc};
    buf_append_str(&record->path, request->path);
    buf_append_str(&record->content_type, request->content_type);
    buf_append_str(&record->encoding, request->encoding);
    buf_append_str(&record->body, request->body);
    pthread_mutex_unlock(&fixture.lock);
    exchange_respond(exchange, &response);
}

static const Route routes[] = {{HTTP_POST, "/{rest...}", handle_record, NULL}};

static int setup(void **state)
{
    const ListenerOptions options = {
        .name = "test", .address = "127.0.0.1", .routes = routes, .n_routes = ARRAY_LEN(routes)};

    log_set_level(LOG_SILENT);
    pthread_mutex_init(&fixture.lock, NULL);
    assert_int_equal(server_new(1, &fixture.server), 0);
    assert_int_equal(server_listen(fixture.server, &options, &fixture.port), 0);
    return server_start(fixture.server);
}

static int teardown(void **state)
{
    fixture.server = server_free(fixture.server);
    return 0;
}

static void forget_records(void)
{
    pthread_mutex_lock(&fixture.lock);
    for (size_t i = 0; i < fixture.n_records; i++) {
        buf_deinit(&fixture.records[i].path);
        buf_deinit(&fixture.records[i].content_type);
        buf_deinit(&fixture.records[i].encoding);
        buf_deinit(&fixture.records[i].body);
    }
    fixture.n_records = 0;
    pthread_mutex_unlock(&fixture.lock);
}

static bool read_whole(const char *path, Buf *buf)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        return false;
    }
    for (size_t n = 1; n > 0 && buf->len < FILE_MAX;) {
        buf_reserve(buf, 65536);
        n = fread(buf->ptr + buf->len, 1, 65536, file);
        buf->len += n;
    }
    fclose(file);
    return true;
}

/* The first value of "@key" in a line of index.jsonl: a string without escapes or a number; empty
 * for null and when there is none. Top-level keys come before nested ones of the same name. */
static Str field(Str line, const char *key)
{
    CLEANUP(buf_deinit) Buf mark = {0};

    buf_append_format(&mark, "\"%s\": ", key);
    size_t at = str_find(line, buf_str(&mark));
    if (at == line.len) {
        return (Str){0};
    }
    Str value = str_slice(line, at + mark.len, line.len);
    if (value.ptr[0] == '"') {
        value = str_slice(value, 1, value.len);
        return str_slice(value, 0, str_find_byte(value, '"', 0));
    }
    size_t end = 0;
    while (end < value.len && ascii_is_digit(value.ptr[end])) {
        end++;
    }
    return str_slice(value, 0, end);
}

/* Sends @bytes in pieces of @step and reads until the server is done. */
static void replay(Str bytes, size_t step)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[65536];
    ssize_t n;

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    for (size_t at = 0; at < bytes.len; at += step) {
        Str piece = str_slice(bytes, at, at + step);

        assert_int_equal(send(fd, piece.ptr, piece.len, MSG_NOSIGNAL), piece.len);
    }
    shutdown(fd, SHUT_WR);
    do {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&poll_fd, 1, READ_TIMEOUT_MS), 1);
        n = recv(fd, answer, sizeof(answer), 0);
    } while (n > 0);
    close(fd);
}

static void check_body(const Record *record, Str line, const Buf *expected)
{
    CLEANUP(buf_deinit) Buf plain = {0};
    Encoding encoding;

    if (!record->is_grpc) {
        assert_true(str_equal(buf_str(&record->body), buf_str(expected)));
        return;
    }
    uint64_t wire_size = 0;
    assert_int_equal(str_parse_u64(field(line, "wire_message_size"), &wire_size), 0);
    assert_int_equal(record->body.len, wire_size);
    assert_int_equal(encoding_parse(buf_str(&record->encoding), &encoding), 0);
    assert_int_equal(decompress(encoding, buf_str(&record->body), FILE_MAX, &plain), 0);
    assert_true(str_equal(buf_str(&plain), buf_str(expected)));
}

static void check_request(const char *directory, const Record *record, Str line)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(buf_deinit) Buf expected = {0};
    Str encoding = field(line, "content_encoding");

    buf_append_format(&path, "%s/%.*s", directory, STR_ARG(field(line, "file")));
    assert_true(read_whole(buf_cstr(&path), &expected));
    assert_true(str_equal(buf_str(&record->path), field(line, "path")));
    if (record->is_grpc) {
        bool compressed = str_equal(field(line, "grpc_compressed_flag"), STR("1"));

        assert_true(str_equal(buf_str(&record->encoding), compressed ? encoding : (Str){0}));
    } else {
        assert_true(str_equal(buf_str(&record->content_type), field(line, "content_type")));
        assert_true(str_equal(buf_str(&record->encoding), encoding));
    }
    check_body(record, line, &expected);
    fixture.n_checked++;
}

/* Compares what arrived with the requests of connection @conn on @port, in order. */
static void check_connection(const char *directory, Str index, Str conn, Str port)
{
    size_t n = 0;
    bool more = true;
    Str line;

    while (more) {
        more = str_split(index, '\n', &line, &index);
        if (line.len == 0 || str_starts_with(field(line, "transport"), STR("wire-")) ||
            !str_equal(field(line, "conn"), conn) || !str_equal(field(line, "port"), port)) {
            continue;
        }
        assert_true(n < fixture.n_records);
        check_request(directory, &fixture.records[n++], line);
    }
    assert_int_equal(n, fixture.n_records);
}

static void replay_directory(const char *directory)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(buf_deinit) Buf index = {0};
    bool more = true;
    Str line;

    buf_append_format(&path, "%s/index.jsonl", directory);
    if (!read_whole(buf_cstr(&path), &index)) {
        return;
    }
    for (Str rest = buf_str(&index); more;) {
        more = str_split(rest, '\n', &line, &rest);
        if (!str_starts_with(field(line, "transport"), STR("wire-"))) {
            continue;
        }
        CLEANUP(buf_deinit) Buf bytes = {0};
        buf_clear(&path);
        buf_append_format(&path, "%s/%.*s", directory, STR_ARG(field(line, "file")));
        assert_true(read_whole(buf_cstr(&path), &bytes));
        const size_t steps[] = {bytes.len, 1009, 7};
        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
            replay(buf_str(&bytes), steps[i]);
            check_connection(directory, buf_str(&index), field(line, "conn"), field(line, "port"));
            forget_records();
        }
    }
}

static void requests_of_real_clients_arrive_as_they_were_sent(void **state)
{
    const char *root = getenv("WEFT_SOURCE_ROOT");
    CLEANUP(buf_deinit) Buf path = {0};

    buf_append_format(&path, "%s/../shared/data/clients", root == NULL ? "." : root);
    DIR *clients = opendir(buf_cstr(&path));
    if (clients == NULL) {
        printf("skipped: no captures at %s\n", buf_cstr(&path));
        buf_deinit(&path); /* skip() does not return */
        skip();
    }
    for (struct dirent *entry; (entry = readdir(clients)) != NULL;) {
        CLEANUP(buf_deinit) Buf directory = {0};

        if (entry->d_name[0] != '.') {
            buf_append_format(&directory, "%s/%s", buf_cstr(&path), entry->d_name);
            replay_directory(buf_cstr(&directory));
        }
    }
    closedir(clients);
    printf("%zu requests of real clients checked\n", fixture.n_checked);
    assert_true(fixture.n_checked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_of_real_clients_arrive_as_they_were_sent, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
