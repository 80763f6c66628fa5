// SPDX-License-Identifier: Apache-2.0
#ifndef LOCKSTEP_CLIBPQ_SHIM_H
#define LOCKSTEP_CLIBPQ_SHIM_H

// Swift's Glibc module has no eventfd, which wakes a connection's thread out of poll.
#include <sys/eventfd.h>

#if __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#else
#include <libpq-fe.h>
#endif

// The field codes of PQresultErrorField are character macros, which Swift does not import.
static inline char *lockstep_pq_sqlstate(const PGresult *result) {
    return PQresultErrorField(result, PG_DIAG_SQLSTATE);
}

static inline char *lockstep_pq_primary_message(const PGresult *result) {
    return PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
}

static inline char *lockstep_pq_table(const PGresult *result) {
    return PQresultErrorField(result, PG_DIAG_TABLE_NAME);
}

static inline char *lockstep_pq_column(const PGresult *result) {
    return PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
}

static inline char *lockstep_pq_constraint(const PGresult *result) {
    return PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
}

#endif
