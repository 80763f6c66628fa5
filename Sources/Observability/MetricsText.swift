// SPDX-License-Identifier: Apache-2.0

/// Metrics in the Prometheus text format, version 0.0.4.
public struct MetricsText: Sendable {
    /// What a value means over time.
    public enum Kind: String, Sendable {
        /// Only grows while the process lives.
        case counter
        case gauge
    }

    /// What was added so far, in Prometheus's text format.
    public private(set) var text = ""

    /// Empty.
    public init() {}

    /// Adds one metric with a value for each set of labels. Names and label names are constants of the code.
    public mutating func add(
        _ name: String, _ kind: Kind, _ help: String, _ values: [(labels: [String: String], value: Double)]
    ) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in values {
            let list = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
            let block = list.isEmpty ? "" : "{\(list.joined(separator: ","))}"
            text += "\(name)\(block) \(Self.number(value))\n"
        }
    }

    /// Adds one value with its HELP and TYPE lines.
    public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        add(name, kind, help, [([:], Double(value))])
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for character in value {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
