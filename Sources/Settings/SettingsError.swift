// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong with one variable.
public struct SettingsProblem: Sendable, Equatable {
    /// The name of the variable, for example `LOCKSTEP_LEASE`.
    public let name: String
    /// What is wrong. Never the value of a secret or of a URL, which may carry one.
    public let problem: String
    /// The form that is accepted, with an example where it helps.
    public let allowed: String

    /// A problem of one variable.
    public init(name: String, problem: String, allowed: String) {
        self.name = name
        self.problem = problem
        self.allowed = allowed
    }
}

extension SettingsProblem: CustomStringConvertible {
    /// Name, problem and allowed form in one line.
    public var description: String { "\(name): \(problem); allowed: \(allowed)" }
}

/// Everything that is wrong with the configuration, so that it takes one attempt to mend it.
///
/// A process that meets it exits with 78.
public struct SettingsError: Error, Sendable, Equatable {
    /// In the order in which the variables are documented, unknown ones last; never empty.
    public let problems: [SettingsProblem]

    /// One line for each problem.
    public var message: String { problems.map(\.description).joined(separator: "\n") }

    /// An error of all problems that were found at once.
    public init(problems: [SettingsProblem]) {
        self.problems = problems
    }
}

extension SettingsError: CustomStringConvertible {
    /// One problem a line.
    public var description: String { message }
}
