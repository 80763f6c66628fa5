// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// How log lines look.
public enum LogFormat: String, Sendable {
    /// `2026-01-02T03:04:05.678Z info job finished job.id=… attempt=1`
    case text
    /// One JSON object per line, with `time`, `level`, `message` and the metadata as members.
    case json
}

/// Writes each log line to standard error in one `write`, so that lines of many tasks never mix.
public struct LineLogHandler: LogHandler {
    /// What every line of this logger says.
    public var metadata: Logger.Metadata = [:]
    /// Lines of lower levels are dropped.
    public var logLevel: Logger.Level
    /// Values that are looked up for each line, such as a trace's id.
    public var metadataProvider: Logger.MetadataProvider?
    private let format: LogFormat

    /// A handler that writes to standard error.
    public init(format: LogFormat, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    /// Makes this the handler of all loggers. Call it once, first of all.
    public static func bootstrap(format: LogFormat, level: Logger.Level) {
        LoggingSystem.bootstrap { _ in LineLogHandler(format: format, level: level) }
    }

    /// One value of the logger's own metadata.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line, in one call.
    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let explicit = event.metadata { all.merge(explicit) { _, new in new } }
        let line = Self.line(
            format, time: Timestamp.now(), level: event.level, message: event.message.description,
            metadata: all)
        line.withUnsafeBytes { bytes in
            // Nobody can be told when standard error is gone.
            _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }

    static func line(
        _ format: LogFormat, time: Timestamp, level: Logger.Level, message: String, metadata: Logger.Metadata
    ) -> [UInt8] {
        let instant = Timestamp(milliseconds: time.milliseconds).rfc3339
        let pairs = metadata.map { ($0.key, $0.value.description) }.sorted { $0.0 < $1.0 }
        var text: String
        switch format {
        case .text:
            text = "\(instant) \(level.rawValue) \(message)"
            for (key, value) in pairs { text += " \(key)=\(quotedIfNeeded(value))" }
        case .json:
            text = "{\"time\":\"\(instant)\",\"level\":\"\(level.rawValue)\",\"message\":\(quoted(message))"
            for (key, value) in pairs { text += ",\(quoted(key)):\(quoted(value))" }
            text += "}"
        }
        return Array(text.utf8) + [UInt8(ascii: "\n")]
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x7F }
        return isPlain ? value : quoted(value)
    }

    /// A JSON string (RFC 8259, section 7); it also keeps a line of text on one line.
    private static func quoted(_ value: String) -> String {
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    let digits = String(scalar.value, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text + "\""
    }
}
