// SPDX-License-Identifier: Apache-2.0

import CZlib

/// Decodes gzip (RFC 1952) as it arrives, members that follow one another included. What comes out is never more than the
/// room that is left for it, whatever the input promises.
final class GzipStream {
    /// What is wrong with the bytes.
    enum Fault: Error, Equatable {
        /// They decode to more than there is room for.
        case tooLarge
        /// They are not gzip, or something else follows it.
        case broken
        case outOfMemory
    }

    /// The first bytes of gzip: its mark, and its only method.
    static let mark: [UInt8] = [0x1F, 0x8B, 0x08]

    private let stream: UnsafeMutablePointer<z_stream>
    private var isBetweenMembers = false

    /// Whether the last member has come to its end.
    var isComplete: Bool { isBetweenMembers }

    init() throws(Fault) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard lockstep_gunzip_init(stream) == Z_OK else { throw .outOfMemory }
    }

    deinit {
        inflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// Takes the next bytes and appends what they decode to, which leaves `output` with at most `limit` bytes.
    func receive(
        _ chunk: UnsafeRawBufferPointer, into output: inout BodyBuffer, atMost limit: Int
    ) throws(Fault) {
        guard let base = chunk.bindMemory(to: UInt8.self).baseAddress else { return }
        // zlib does not write to its input; its declaration only lacks the word.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: base)
        stream.pointee.avail_in = UInt32(chunk.count)
        defer {
            stream.pointee.next_in = nil
            stream.pointee.avail_in = 0
        }
        while stream.pointee.avail_in > 0 {
            if isBetweenMembers {
                // Nothing but another member may follow; zlib itself would wait for a second byte.
                guard stream.pointee.next_in?.pointee == Self.mark[0], inflateReset(stream) == Z_OK else {
                    throw .broken
                }
                isBetweenMembers = false
            }
            try inflateOnce(into: &output, atMost: limit)
        }
    }

    /// One piece of output, of a size that a bomb cannot choose.
    private func inflateOnce(into output: inout BodyBuffer, atMost limit: Int) throws(Fault) {
        var status = Z_OK
        var produced = 0
        withUnsafeTemporaryAllocation(byteCount: Self.pieceBytes, alignment: 1) { piece in
            repeat {
                stream.pointee.next_out = piece.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_out = UInt32(piece.count)
                status = inflate(stream, Z_NO_FLUSH)
                produced = piece.count - Int(stream.pointee.avail_out)
                guard produced <= limit - output.count else { return }
                output.append(UnsafeRawBufferPointer(rebasing: piece[..<produced]))
                produced = 0
                // A full piece may leave more inside, although the input is used up.
            } while status == Z_OK && stream.pointee.avail_out == 0
        }
        stream.pointee.next_out = nil
        stream.pointee.avail_out = 0
        if produced > 0 { throw .tooLarge }
        switch status {
        case Z_STREAM_END: isBetweenMembers = true
        case Z_OK: break
        // Nothing more can be made of what came, which is no fault while more may come.
        case Z_BUF_ERROR where stream.pointee.avail_in == 0: break
        case Z_MEM_ERROR: throw .outOfMemory
        default: throw .broken
        }
    }

    private static let pieceBytes = 64 * 1024
}

extension HTTPResponse {
    /// The same response with a body that begins like gzip decoded, as a client hands it out; for responses that did not come
    /// through one. Throws as a client does.
    public func decodingGzip(atMost limit: Int) throws(HTTPError) -> HTTPResponse {
        var reader = ResponseReader(maxWireBytes: .max, maxBodyBytes: limit)
        _ = body.withUnsafeBytes { reader.receive(body: $0, announcedWireBytes: -1) } && reader.end()
        if let violation = reader.violation {
            throw HTTPError(
                violation, reader.reason ?? "the body exceeds \(limit) bytes decoded", requestWasSent: true)
        }
        return HTTPResponse(status: status, headers: headers, body: reader.takeBody(), url: url)
    }
}
