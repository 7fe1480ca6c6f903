import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * Signs in through JDBC; prints how it went.
 *
 * <p>java -cp postgresql.jar Login.java HOST PORT USER DATABASE (the password in PGPASSWORD)
 */
public class Login {
  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[3];
    String password = System.getenv("PGPASSWORD");
    try (var connection = DriverManager.getConnection(url, arguments[2], password);
        ResultSet found = connection.createStatement().executeQuery("SELECT current_user")) {
      found.next();
      System.out.println("jdbc: " + found.getString(1));
    } catch (SQLException error) {
      boolean refused = "28P01".equals(error.getSQLState());
      System.out.println("jdbc: " + (refused ? "refused" : error.getMessage()));
    }
  }
}
