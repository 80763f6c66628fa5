// SPDX-License-Identifier: Apache-2.0
#ifndef LOCKSTEP_COPENSSL_SHIM_H
#define LOCKSTEP_COPENSSL_SHIM_H

#include <stddef.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

// One digest with a context that already knows its algorithm: starting it again with a null type skips the
// search for a provider, which costs more than hashing a small record.
static inline int lockstep_digest(
    EVP_MD_CTX *context, const void *bytes, size_t count, unsigned char *digest) {
    return EVP_DigestInit_ex2(context, NULL, NULL) == 1 && EVP_DigestUpdate(context, bytes, count) == 1
        && EVP_DigestFinal_ex(context, digest, NULL) == 1;
}

#endif
