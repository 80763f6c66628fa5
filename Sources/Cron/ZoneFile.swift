// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The parts of a TZif file (RFC 8536) that decide offsets.
struct ZoneFile {
    /// Larger than any file of the database; a bound against reading something else.
    static let maximumBytes = 256 * 1_024

    /// Instants of the table, ascending.
    private(set) var transitions: [Int64] = []
    /// The offset from each transition on.
    private(set) var offsets: [Int32] = []
    /// The offset before the first transition.
    private(set) var initialOffset: Int32 = 0
    /// The rule behind the table; files of version 1 have none.
    private(set) var rule: PosixTimeZone?

    init(named name: String, directory: String) throws(CronError) {
        let allowed = "a name of the IANA database, such as UTC or Europe/Berlin"
        // Names become paths, so that dots, blanks and bytes beyond ASCII have no place in them.
        let isName = name.utf8.allSatisfy { byte in
            let lower = byte | 0x20
            return (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lower)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "_+-/".utf8.contains(byte)
        }
        guard isName, (1...64).contains(name.utf8.count), !name.hasPrefix("/"), !name.hasSuffix("/") else {
            throw CronError(
                .unknownTimeZone, field: "time zone", "'\(name.prefix(64))' is not a name", allowed: allowed)
        }
        switch Self.read("\(directory)/\(name)") {
        case .bytes(let bytes):
            try self.init(name: name, bytes: bytes)
        case .absent:
            throw CronError(.unknownTimeZone, field: "time zone", "there is no '\(name)'", allowed: allowed)
        case .failed(let number):
            throw CronError(
                .unreadableTimeZone, field: "time zone",
                "\(directory)/\(name) cannot be read: \(String(cString: strerror(number)))",
                allowed: "a readable file of the package tzdata")
        }
    }

    init(name: String, bytes: [UInt8]) throws(CronError) {
        guard parse(bytes) else {
            throw CronError(
                .unreadableTimeZone, field: "time zone", "the file of '\(name)' is damaged",
                allowed: "a TZif file without leap seconds")
        }
    }

    private enum Content {
        case bytes([UInt8])
        case absent
        case failed(Int32)
    }

    private static func read(_ path: String) -> Content {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            return errno == ENOENT || errno == ENOTDIR ? .absent : .failed(errno)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: maximumBytes)
        var filled = 0
        while filled < maximumBytes {
            let count = bytes.withUnsafeMutableBytes { buffer in
                fill(descriptor, into: buffer, from: filled)
            }
            if count < 0 {
                // A directory of the database, such as Europe, is not a zone.
                return errno == EISDIR ? .absent : .failed(errno)
            }
            if count == 0 { break }
            filled += count
        }
        return .bytes(Array(bytes.prefix(filled)))
    }

    private static func fill(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, from start: Int
    ) -> Int {
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
        while true {
            #if canImport(Glibc)
                let count = Glibc.read(descriptor, rest.baseAddress, rest.count)
            #else
                let count = Musl.read(descriptor, rest.baseAddress, rest.count)
            #endif
            if count >= 0 || errno != EINTR { return count }
        }
    }
}

extension ZoneFile {
    private mutating func parse(_ bytes: [UInt8]) -> Bool {
        var reader = ByteReader(bytes: bytes)
        guard var header = Header(&reader) else { return false }
        if header.version >= UInt8(ascii: "2") {
            // The first block repeats the table in 32 bits for old readers.
            guard reader.skip(header.blockLength(timeSize: 4)), let second = Header(&reader) else {
                return false
            }
            header = second
            guard parseBlock(&reader, header, timeSize: 8) else { return false }
            return parseFooter(&reader)
        }
        return parseBlock(&reader, header, timeSize: 4)
    }

    private mutating func parseBlock(_ reader: inout ByteReader, _ header: Header, timeSize: Int) -> Bool {
        guard header.types > 0, header.leaps == 0,
            header.blockLength(timeSize: timeSize) <= reader.remaining
        else { return false }
        for _ in 0..<header.times {
            guard let time = reader.signed(timeSize) else { return false }
            guard transitions.last.map({ $0 < time }) ?? true else { return false }
            transitions.append(time)
        }
        var indices: [Int] = []
        for _ in 0..<header.times {
            guard let index = reader.byte(), index < header.types else { return false }
            indices.append(Int(index))
        }
        var types: [Int32] = []
        for _ in 0..<header.types {
            // An offset of more than a day is not one; RFC 8536 asks for less than 25 and 26 hours.
            guard let offset = reader.signed(4), (-93_599...93_599).contains(offset), reader.skip(2) else {
                return false
            }
            types.append(Int32(offset))
        }
        offsets = indices.map { types[$0] }
        initialOffset = types[0]
        return reader.skip(header.designations + header.standardFlags + header.utcFlags)
    }

    /// The footer is a line of text; an empty one leaves the last offset in force.
    private mutating func parseFooter(_ reader: inout ByteReader) -> Bool {
        guard reader.byte() == UInt8(ascii: "\n"), let line = reader.line() else { return false }
        if line.isEmpty { return true }
        rule = PosixTimeZone(line)
        return rule != nil
    }

    private struct Header {
        let version: UInt8
        let utcFlags, standardFlags, leaps, times, types, designations: Int

        init?(_ reader: inout ByteReader) {
            guard reader.take("TZif"), let version = reader.byte(), reader.skip(15),
                let utcFlags = reader.count(), let standardFlags = reader.count(),
                let leaps = reader.count(), let times = reader.count(),
                let types = reader.count(), let designations = reader.count()
            else { return nil }
            self.version = version
            self.utcFlags = utcFlags
            self.standardFlags = standardFlags
            self.leaps = leaps
            self.times = times
            self.types = types
            self.designations = designations
        }

        func blockLength(timeSize: Int) -> Int {
            times * (timeSize + 1) + types * 6 + designations + leaps * (timeSize + 4) + standardFlags
                + utcFlags
        }
    }

    private struct ByteReader {
        let bytes: [UInt8]
        private var index = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var remaining: Int { bytes.count - index }

        mutating func byte() -> UInt8? {
            guard index < bytes.count else { return nil }
            defer { index += 1 }
            return bytes[index]
        }

        mutating func skip(_ count: Int) -> Bool {
            guard count <= remaining else { return false }
            index += count
            return true
        }

        mutating func take(_ text: String) -> Bool {
            guard bytes[index...].starts(with: text.utf8) else { return false }
            return skip(text.utf8.count)
        }

        /// A big-endian number in two's complement.
        mutating func signed(_ size: Int) -> Int64? {
            guard size <= remaining else { return nil }
            let value = bytes[index..<index + size].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            index += size
            return size == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
        }

        /// A count of the header; none can exceed the file.
        mutating func count() -> Int? {
            signed(4).flatMap { (0...Int64(ZoneFile.maximumBytes)).contains($0) ? Int($0) : nil }
        }

        mutating func line() -> ArraySlice<UInt8>? {
            guard let end = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            defer { index = end + 1 }
            return bytes[index..<end]
        }
    }
}
