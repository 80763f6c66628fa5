// SPDX-License-Identifier: Apache-2.0

/// Collects a response from the pieces that libcurl hands out, within limits.
///
/// A piece that breaks a limit is refused: the method returns false and `violation` says which limit it was.
struct ResponseReader {
    private enum Phase {
        case statusLine
        case fields
        /// After an empty line: a body, or another status line when the response was an interim one (1xx).
        case content
        case body
    }

    let maxWireBytes: Int
    let maxBodyBytes: Int

    private(set) var headers = HTTPHeaders()
    private(set) var body = BodyBuffer()
    private(set) var violation: HTTPError.Code?
    private var phase = Phase.statusLine
    private var fieldCount = 0
    private var headerByteCount = 0

    /// Whether nothing of a response has come.
    var isEmpty: Bool { phase == .statusLine }

    /// Whether the header section has not ended yet.
    var isInHeaders: Bool { phase == .statusLine || phase == .fields }

    init(maxWireBytes: Int, maxBodyBytes: Int) {
        self.maxWireBytes = maxWireBytes
        self.maxBodyBytes = maxBodyBytes
    }

    /// Takes one line of a header section, of an interim response or of trailers, with its line break.
    mutating func receive(headerLine line: UnsafeRawBufferPointer) -> Bool {
        // Trailers and interim responses count too: each could go on for ever.
        headerByteCount += line.count
        guard headerByteCount <= HTTPHeaders.maxByteCount else { return refuse(.headersTooLarge) }
        var text = line[...]
        while let last = text.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") {
            text.removeLast()
        }

        switch phase {
        case .statusLine:
            phase = .fields
        case .fields where text.isEmpty:
            phase = .content
        case .fields:
            fieldCount += 1
            guard fieldCount <= HTTPHeaders.maxCount else { return refuse(.headersTooLarge) }
            headers.append(line: UnsafeRawBufferPointer(rebasing: text))
        case .content where text.starts(with: "HTTP/".utf8):
            headers = HTTPHeaders()
            phase = .fields
        case .content, .body:
            break  // A trailer, which must not pass for a header.
        }
        return true
    }

    /// Takes a decoded piece of the body. `announcedWireBytes` is the `Content-Length`, or negative without
    /// one.
    mutating func receive(body chunk: UnsafeRawBufferPointer, announcedWireBytes: @autoclosure () -> Int)
        -> Bool
    {
        if phase != .body {
            phase = .body
            guard expect(wireBytes: announcedWireBytes()) else { return refuse(.bodyTooLarge) }
        }
        guard chunk.count <= maxBodyBytes - body.count else { return refuse(.bodyTooLarge) }
        body.append(chunk)
        return true
    }

    /// Judges how many bytes of the body have come over the wire, whatever they decode to.
    mutating func progress(wireBytes: Int) -> Bool {
        wireBytes <= maxWireBytes || refuse(.bodyTooLarge)
    }

    mutating func takeBody() -> [UInt8] {
        body.take()
    }

    /// Judges an announced length before the bytes come, and makes room for it.
    private mutating func expect(wireBytes announced: Int) -> Bool {
        guard announced >= 0 else { return true }
        let isEncoded = headers.first("Content-Encoding") != nil
        guard announced <= maxWireBytes, isEncoded || announced <= maxBodyBytes else { return false }
        body.expect(wireBytes: announced, isEncoded: isEncoded, atMost: maxBodyBytes)
        return true
    }

    private mutating func refuse(_ code: HTTPError.Code) -> Bool {
        violation = violation ?? code
        return false
    }
}
