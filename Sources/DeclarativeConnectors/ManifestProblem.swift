// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong in a manifest.
public struct ManifestProblem: Sendable, Equatable {
    /// The manifest's file, as it was named when it was loaded.
    public let file: String
    /// 1-based.
    public let line: Int
    /// The key, as a path such as `streams.customers.page.kind`.
    public let key: String
    /// What is wrong and what is allowed.
    public let message: String
}

extension ManifestProblem: CustomStringConvertible {
    /// File, line, key and message, as compilers print them.
    public var description: String { "\(file):\(line): \(key): \(message)" }
}

/// A manifest that cannot be used; it has all its problems.
public struct ManifestError: Error, Sendable {
    /// Everything that is wrong, in the order of reading.
    public let problems: [ManifestProblem]
}

extension ManifestError {
    /// An error about a file as a whole.
    public init(file: String, message: String) {
        self.init(problems: [ManifestProblem(file: file, line: 1, key: "", message: message)])
    }
}

extension ManifestError: CustomStringConvertible {
    /// One problem a line.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
