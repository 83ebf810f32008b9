//! What would become of a connect, as far as that can be said without connecting.

use super::{AccessBuffer, AddRequest, Connect, Form, UseError};
use crate::extended_error;
use crate::policy::Policies;
use crate::trace::{Request, Said, Traced, Untraced};
use crate::{Candidate, Provider, Router};
use mpr_plugin::Event;
use serde::Serialize;

/// What would become of a connect.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The request as it was understood; as it was given, where it is refused.
    pub request: Request,
    /// The router refuses it, before anybody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<u32>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Said>,
    /// What the policy says; `None` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Rule>,
    /// Who is told before the attempt, in this order. Afterwards, those that want to hear more, the other way round.
    pub listeners: Vec<Listener>,
    /// The providers in the order in which they are asked, until one accepts.
    pub providers: Vec<Prospect>,
    /// Whether it would be remembered.
    pub remembered: bool,
}

/// What the policy says.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// Whether it denies the request.
    pub denies: bool,
    /// Which rule that is, and why.
    pub reason: String,
}

/// Somebody who is told.
#[derive(Debug, Clone, Serialize)]
pub struct Listener {
    /// Name of the registration.
    pub name: String,
    /// Whether it is asked in a simulation.
    pub simulation: bool,
}

/// A provider.
#[derive(Debug, Clone, Serialize)]
pub struct Prospect {
    /// Its name.
    pub name: String,
    /// Whether it is asked.
    pub asked: bool,
    /// Why, or why not.
    pub why: &'static str,
}

impl Router {
    /// Walks the path of a connect without connecting: no listener is called and no provider is asked to connect.
    /// Providers may be asked what is connected already.
    #[must_use]
    pub fn explain(&self, request: &AddRequest<'_>) -> Explanation {
        let mut explanation = Explanation {
            request: request.recorded(),
            refused: None,
            reason: None,
            policy: None,
            listeners: self.told_of_connects(),
            providers: Vec::new(),
            remembered: false,
        };
        let written = extended_error::written();
        let access = AccessBuffer { capacity: Some(u32::MAX), length: |_| 0 };
        let judged = self.judged(request, Form::Use(Some(&access)), Untraced, |connect| {
            connect.understood(&mut explanation.request);
            explanation.policy = self.policies().map(|policies| connect.ruling(policies));
            explanation.providers = connect.prospects();
            explanation.remembered = connect.is_to_be_remembered();
            Ok(())
        });
        if let Err(error) = judged {
            explanation.refused = Some(UseError::status(Some(&error)).0);
            let said = extended_error::written() != written;
            explanation.reason = said.then(|| Said::of(&extended_error::recorded()));
        }
        explanation
    }

    /// Those that are told of connects, the first to be called before an attempt first.
    fn told_of_connects(&self) -> Vec<Listener> {
        let listening = self.notifyees().iter().filter(|library| library.library().wants(Event::Add));
        let mut listeners: Vec<Listener> = listening
            .map(|library| Listener {
                name: library.label.clone(),
                simulation: library.library().sees_simulations(),
            })
            .collect();
        // The last to be registered is the first to be asked.
        listeners.reverse();
        listeners
    }
}

impl<T: Traced> Connect<'_, '_, T> {
    fn ruling(&self, policies: &Policies) -> Rule {
        let judged = self.judged(self.asked.local);
        let ruling = policies.judge(&match self.asked.provider {
            Some(provider) if !provider.is_empty() => judged.through(provider),
            _ => judged,
        });
        Rule { denies: ruling.denies(), reason: ruling.reason() }
    }

    fn prospects(&self) -> Vec<Prospect> {
        let asked: Vec<&Provider> = self.to_be_asked().collect();
        let prospect = |candidate: Candidate<'_>| {
            let Candidate { provider, why, .. } = candidate;
            let is_asked = asked.iter().any(|one| std::ptr::eq(*one, provider));
            let is_selected = self.selection.iter().any(|one| std::ptr::eq(one, provider));
            let why = match (is_asked, is_selected, self.selection.named()) {
                (true, _, Some(_)) => "it was asked for by name",
                (_, false, _) => "another one was asked for by name",
                (false, true, _) if provider.capabilities.connection & self.wanted() == 0 => {
                    "it cannot connect anything in this way"
                }
                _ => why,
            };
            Prospect { name: provider.name.to_string_lossy(), asked: is_asked, why }
        };
        self.router.providers().candidates(self.asked.remote).into_iter().map(prospect).collect()
    }
}
