"""Trains XGBoost on the encrypted table, in memory, and says how well it predicts. What it needs is in .env: ENC_FILE,
WRAPPED_KEY_FILE, ATTEST_URL, KEY_KID."""

import os

import dotenv
import pandas
import xgboost
from sklearn.metrics import accuracy_score, classification_report
from sklearn.model_selection import train_test_split

import skr_decrypt


def main():
    dotenv.load_dotenv()
    print("Attesting, and unwrapping the data key ...", flush=True)
    dek = skr_decrypt.unwrap_dek(os.environ["WRAPPED_KEY_FILE"], os.environ["ATTEST_URL"], os.environ["KEY_KID"])
    table = pandas.read_csv(skr_decrypt.decrypt_to_memory(os.environ["ENC_FILE"], dek))
    del dek

    print(f"Training on {len(table)} rows ...", flush=True)
    features, outcome = table.drop("Outcome", axis=1), table["Outcome"]
    train_x, test_x, train_y, test_y = train_test_split(features, outcome, test_size=0.2, random_state=42)
    model = xgboost.XGBClassifier(eval_metric="logloss")
    model.fit(train_x, train_y)

    predicted = model.predict(test_x)
    print(f"Model Accuracy: {accuracy_score(test_y, predicted):.4f}")
    print(classification_report(test_y, predicted))


if __name__ == "__main__":
    main()
