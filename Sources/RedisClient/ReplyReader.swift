// SPDX-License-Identifier: Apache-2.0

import CHiredis

/// Turns the bytes of a connection into replies. Owns a hiredis reader.
struct ReplyReader: ~Copyable {
    private let raw: UnsafeMutablePointer<redisReader>

    /// Throws only when there is no memory for a reader.
    init() throws(RedisError) {
        guard let reader = redisReaderCreate() else {
            throw RedisError(.connectFailed, "no memory for a reply reader")
        }
        raw = reader
    }

    deinit { redisReaderFree(raw) }

    /// Takes bytes in; they are copied.
    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(RedisError) {
        guard let base = bytes.bindMemory(to: CChar.self).baseAddress else { return }
        guard redisReaderFeed(raw, base, bytes.count) == REDIS_OK else { throw violation() }
    }

    /// The next complete reply, or nil until more bytes arrive.
    mutating func next() throws(RedisError) -> RedisValue? {
        var object: UnsafeMutableRawPointer?
        guard redisReaderGetReply(raw, &object) == REDIS_OK else { throw violation() }
        guard let object else { return nil }
        defer { freeReplyObject(object) }
        return Self.value(object.assumingMemoryBound(to: redisReply.self))
    }

    private static func value(_ reply: UnsafeMutablePointer<redisReply>) -> RedisValue {
        let reply = reply.pointee
        switch reply.type {
        case REDIS_REPLY_INTEGER: return .integer(reply.integer)
        case REDIS_REPLY_STRING: return .string(Array(bytes(of: reply)))
        case REDIS_REPLY_STATUS: return .status(String(decoding: bytes(of: reply), as: UTF8.self))
        case REDIS_REPLY_ERROR: return .error(String(decoding: bytes(of: reply), as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            let elements = UnsafeBufferPointer(start: reply.element, count: Int(reply.elements))
            return .array(elements.map { $0.map(value) ?? .null })
        default: return .null
        }
    }

    private static func bytes(of reply: redisReply) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: reply.str, count: Int(reply.len))
    }

    private func violation() -> RedisError {
        let text = withUnsafeBytes(of: raw.pointee.errstr) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return RedisError(.protocolViolation, "the server's reply is not valid RESP2: \(text)")
    }
}
