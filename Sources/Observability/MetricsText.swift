// SPDX-License-Identifier: Apache-2.0

public import Model

/// Metrics in the Prometheus text format, version 0.0.4.
public struct MetricsText: Sendable {
    /// What was added so far, in Prometheus's text format.
    public private(set) var text = ""

    /// Metrics in this order.
    public init(_ metrics: [Metric] = []) {
        for metric in metrics { add(metric) }
    }

    /// Adds a metric with its HELP and TYPE lines. Names and label names are constants of the code.
    public mutating func add(_ metric: Metric) {
        text += "# HELP \(metric.name) \(Self.escapedHelp(metric.help))\n"
        text += "# TYPE \(metric.name) \(metric.kind.rawValue)\n"
        for sample in metric.samples {
            switch sample.reading {
            case .number(let value): addLine(metric.name, sample.labels, value)
            case .histogram(let histogram): add(histogram, metric.name, sample.labels)
            }
        }
    }

    /// The buckets count up: each holds the values of the ranges below it too.
    private mutating func add(_ histogram: Histogram, _ name: String, _ labels: [String: String]) {
        var total = 0
        for (bound, count) in zip(histogram.bounds.map(Self.number) + ["+Inf"], histogram.counts) {
            total += count
            addLine("\(name)_bucket", labels.merging(["le": bound]) { old, _ in old }, Double(total))
        }
        addLine("\(name)_sum", labels, histogram.sum)
        addLine("\(name)_count", labels, Double(total))
    }

    private mutating func addLine(_ name: String, _ labels: [String: String], _ value: Double) {
        let list = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
        let block = list.isEmpty ? "" : "{\(list.joined(separator: ","))}"
        text += "\(name)\(block) \(Self.number(value))\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    // By scalars: a line end is one character with the carriage return before it.
    private static func escaped(_ value: String) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func escapedHelp(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
