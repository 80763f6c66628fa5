// SPDX-License-Identifier: Apache-2.0
#ifndef LOCKSTEP_CCURL_SHIM_H
#define LOCKSTEP_CCURL_SHIM_H

// Swift's Glibc module has neither of these; they wake and feed the thread that drives libcurl.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <curl/curl.h>

// CURLVERSION_NOW is a macro, which Swift does not import.
static inline int lockstep_curl_features(void) {
    return curl_version_info(CURLVERSION_NOW)->features;
}

// libcurl sets options through variadic functions, which Swift cannot call: one function for each type
// of value.

static inline CURLcode lockstep_curl_set_long(CURL *easy, CURLoption option, long value) {
    return (curl_easy_setopt)(easy, option, value);
}

static inline CURLcode lockstep_curl_set_string(CURL *easy, CURLoption option, const char *value) {
    return (curl_easy_setopt)(easy, option, value);
}

static inline CURLcode lockstep_curl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return (curl_easy_setopt)(easy, option, value);
}

static inline CURLcode lockstep_curl_set_headers(CURL *easy, struct curl_slist *headers) {
    return (curl_easy_setopt)(easy, CURLOPT_HTTPHEADER, headers);
}

// libcurl copies the body, so the caller may forget it.
static inline CURLcode lockstep_curl_set_body(CURL *easy, const void *bytes, size_t count) {
    CURLcode status = (curl_easy_setopt)(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
    return status != CURLE_OK ? status : (curl_easy_setopt)(easy, CURLOPT_COPYPOSTFIELDS, bytes);
}

static inline CURLcode lockstep_curl_on_body(CURL *easy, curl_write_callback function) {
    return (curl_easy_setopt)(easy, CURLOPT_WRITEFUNCTION, function);
}

static inline CURLcode lockstep_curl_on_header(CURL *easy, curl_write_callback function) {
    return (curl_easy_setopt)(easy, CURLOPT_HEADERFUNCTION, function);
}

static inline CURLcode lockstep_curl_on_progress(CURL *easy, curl_xferinfo_callback function) {
    return (curl_easy_setopt)(easy, CURLOPT_XFERINFOFUNCTION, function);
}

static inline CURLcode lockstep_curl_on_open_socket(CURL *easy, curl_opensocket_callback function) {
    return (curl_easy_setopt)(easy, CURLOPT_OPENSOCKETFUNCTION, function);
}

static inline long lockstep_curl_get_long(CURL *easy, CURLINFO info) {
    long value = 0;
    return (curl_easy_getinfo)(easy, info, &value) == CURLE_OK ? value : 0;
}

static inline curl_off_t lockstep_curl_get_offset(CURL *easy, CURLINFO info) {
    curl_off_t value = -1;
    return (curl_easy_getinfo)(easy, info, &value) == CURLE_OK ? value : -1;
}

static inline void *lockstep_curl_get_private(CURL *easy) {
    void *value = NULL;
    return (curl_easy_getinfo)(easy, CURLINFO_PRIVATE, &value) == CURLE_OK ? value : NULL;
}

static inline CURLMcode lockstep_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return (curl_multi_setopt)(multi, option, value);
}

static inline CURLMcode lockstep_curl_multi_on_socket(
    CURLM *multi, curl_socket_callback function, void *context) {
    CURLMcode status = (curl_multi_setopt)(multi, CURLMOPT_SOCKETDATA, context);
    return status != CURLM_OK ? status : (curl_multi_setopt)(multi, CURLMOPT_SOCKETFUNCTION, function);
}

static inline CURLMcode lockstep_curl_multi_on_timer(
    CURLM *multi, curl_multi_timer_callback function, void *context) {
    CURLMcode status = (curl_multi_setopt)(multi, CURLMOPT_TIMERDATA, context);
    return status != CURLM_OK ? status : (curl_multi_setopt)(multi, CURLMOPT_TIMERFUNCTION, function);
}

static inline CURLcode lockstep_curl_message_result(const CURLMsg *message) {
    return message->data.result;
}

#endif
