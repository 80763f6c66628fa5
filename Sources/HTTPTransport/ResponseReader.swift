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

    /// What the body is made of. Its first bytes say so: files are served as gzip under any content type, and no JSON, CSV or
    /// markup begins like that.
    private enum Encoding {
        /// Too few bytes have come to tell.
        case undecided([UInt8])
        case plain
        case gzip(GzipStream)
    }

    let maxWireBytes: Int
    let maxBodyBytes: Int

    private(set) var headers = HTTPHeaders()
    private(set) var body = BodyBuffer()
    private(set) var violation: HTTPError.Code?
    /// What is wrong with a body that begins like gzip.
    private(set) var reason: String?
    private var encoding = Encoding.undecided([])
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
        switch encoding {
        case .plain: return append(chunk)
        case .gzip(let stream): return decode(chunk, by: stream)
        case .undecided(let first):
            let known = first + chunk.prefix(GzipStream.mark.count - first.count)
            guard known.elementsEqual(GzipStream.mark.prefix(known.count)) else {
                encoding = .plain
                return first.withUnsafeBytes { append($0) } && append(chunk)
            }
            guard known.count == GzipStream.mark.count else {
                encoding = .undecided(known)
                return true
            }
            return begin(gzip: first, chunk)
        }
    }

    /// Notes that nothing more comes. Refuses a body that ends before its encoding does.
    mutating func end() -> Bool {
        switch encoding {
        case .plain: return true
        case .undecided(let begin):
            encoding = .plain
            return begin.withUnsafeBytes { append($0) }
        case .gzip(let stream) where stream.isComplete: return true
        case .gzip: return refuse(.truncated, "its gzip ends in the middle")
        }
    }

    private mutating func append(_ chunk: UnsafeRawBufferPointer) -> Bool {
        guard chunk.count <= maxBodyBytes - body.count else { return refuse(.bodyTooLarge) }
        body.append(chunk)
        return true
    }

    private mutating func begin(gzip first: [UInt8], _ chunk: UnsafeRawBufferPointer) -> Bool {
        do throws(GzipStream.Fault) {
            let stream = try GzipStream()
            encoding = .gzip(stream)
            return first.withUnsafeBytes { decode($0, by: stream) } && decode(chunk, by: stream)
        } catch {
            return refuse(error)
        }
    }

    private mutating func decode(_ chunk: UnsafeRawBufferPointer, by stream: GzipStream) -> Bool {
        do throws(GzipStream.Fault) {
            try stream.receive(chunk, into: &body, atMost: maxBodyBytes)
            return true
        } catch {
            return refuse(error)
        }
    }

    private mutating func refuse(_ fault: GzipStream.Fault) -> Bool {
        switch fault {
        case .tooLarge: refuse(.bodyTooLarge)
        case .broken: refuse(.protocolViolation, "it begins like gzip and is not whole gzip")
        case .outOfMemory: refuse(.unavailable, "there is no memory for decoding it")
        }
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

    private mutating func refuse(_ code: HTTPError.Code, _ reason: String? = nil) -> Bool {
        if violation == nil { self.reason = reason.map { "the body cannot be decoded: \($0)" } }
        violation = violation ?? code
        return false
    }
}
