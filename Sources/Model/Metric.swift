// SPDX-License-Identifier: Apache-2.0

/// A metric with its values, as a process tells it to a metrics endpoint.
public struct Metric: Sendable, Equatable {
    /// What the values mean over time.
    public enum Kind: String, Sendable {
        /// Only grows while the process lives.
        case counter
        case gauge
        case histogram
    }

    /// What was measured.
    public enum Reading: Sendable, Equatable {
        case number(Double)
        case histogram(Histogram)
    }

    /// What was measured under one set of labels.
    public struct Sample: Sendable, Equatable {
        /// Names and values of the labels.
        public let labels: [String: String]
        /// The value.
        public let reading: Reading

        /// A value under labels.
        public init(_ labels: [String: String], _ reading: Reading) {
            self.labels = labels
            self.reading = reading
        }
    }

    /// The name that Prometheus sees.
    public let name: String
    /// What the values mean over time.
    public let kind: Kind
    /// One line that says what is measured.
    public let help: String
    /// The values, sorted by their labels.
    public let samples: [Sample]

    /// A metric with a value for each set of labels.
    public init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// A metric with one value.
    public init(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        self.init(name, kind, help, [Sample([:], .number(Double(value)))])
    }
}
