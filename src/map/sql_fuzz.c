// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "map/contract/database.h"
#include "map/contract/sql.h"
#include "map/contract/sql_token.h"

/* Any bytes as a query, as a summary and as a name: the reader ends, and stays inside. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Str text = str_from_bytes(data, size);
    const DatabaseReading readings[] = {{.text = text}, {.summary = text}, {.operation = text}};
    DatabaseAccesses *accesses = ARENA_NEW(&arena, DatabaseAccesses);
    SqlTables tables;
    Str rest = text;
    Str word;
    size_t n_words = 0;

    sql_read_tables(text, &arena, &tables);
    ASSERT(tables.count <= SQL_TABLES_MAX);
    for (size_t i = 0; i < tables.count; i++) {
        ASSERT(tables.items[i].name.len > 0 && tables.items[i].name.len <= size);
    }
    while (sql_next_word(&rest, &word)) {
        ASSERT(word.len > 0 && ++n_words <= size);
    }
    for (size_t i = 0; i < ARRAY_LEN(readings); i++) {
        database_read_accesses(&readings[i], text, &arena, accesses);
        ASSERT(accesses->count > 0);
    }
    return 0;
}
